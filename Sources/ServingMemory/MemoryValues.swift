package import FeatureEngine
internal import FeatureLanguage

/// One of memory's tables, distinguished by generation from those that were in its place before.
package struct TableKind: Sendable {
    package var table: Int
    package var generation: Int
    package var group: Plan.Group
}

/// What a source's log has that is new for a table.
package struct TableNews {
    package var generation: Int
    package var delta: EntityTable.Delta

    package init(generation: Int, delta: EntityTable.Delta) {
        (self.generation, self.delta) = (generation, delta)
    }
}

/// A table whose source has been read up to a cut.
package struct TableNeed: Sendable {
    package var table: Int
    package var generation: Int
    package var group: Plan.Group
    package var cut: Int64
}

/// Entities of a table that aren't in memory, to be read up to a cut.
package struct MissingEntities: Sendable {
    package var table: Int
    package var generation: Int
    package var wanted: WantedEntities

    package init(table: Int, generation: Int, wanted: WantedEntities) {
        (self.table, self.generation, self.wanted) = (table, generation, wanted)
    }
}

extension CommittedRows {
    /// The part of them that a table of the source takes.
    ///
    /// - Parameter columns: the columns that the table has.
    package func delta(columns: Set<String>) -> EntityTable.Delta {
        let count = Int(end - after)
        var gathered: [String: Column] = [:], times: [Int64] = []
        for definition in source.columns where columns.contains(definition.name) || definition.name == source.eventTime
        {
            let column = Column(concatenating: rows.map { $0[definition.name]! })
            if definition.name == source.eventTime { times = column.instants }
            if columns.contains(definition.name) { gathered[definition.name] = column }
        }
        let known = SourceRows(
            columns: gathered, eventTimes: times, knownAt: Array(repeating: knownAt, count: count),
            offsets: (0..<count).map { after + 1 + Int64($0) })
        return EntityTable.Delta(after: after, upTo: end, rows: known, evicts: false)
    }
}
