public import FeatureLanguage

/// Finds rows that say nothing new: equal, in every declared column, to the version of their fact just before them.
///
/// Rows are decided in commit order: each is compared with everything committed and the rows of its own batch before
/// it. "Just before" means by (`known_at`, offset), so a late version is compared with the one it would follow. Floats
/// are compared by their bits, and NULL equals NULL. A version whose `known_at` alone is NULL makes no duplicate: the
/// new row says since when the fact has been known.
public struct Duplicates: Sendable {
    /// True where a row is a duplicate, to be dropped.
    public private(set) var isDuplicate: [Bool]
    /// For a static source, the first row that contradicts what an id already stands for; such a batch is refused. Nil
    /// if there is none.
    public private(set) var conflict: Int?

    /// - Parameters:
    ///   - rows: in commit order: first `committed` rows that are stored already, then those to decide. Every declared
    ///     column must be there.
    ///     column is there.
    ///   - source: without `id` nothing is a duplicate.
    public init(_ rows: SourceRows, of source: Source, committed: Int = 0) {
        isDuplicate = Array(repeating: false, count: rows.count)
        guard !source.id.isEmpty else { return }
        let facts = TupleTable(source.id.map { rows.columns[$0]! }, count: rows.count)
        let declared = source.columns.map { rows.columns[$0.name]! }
        /// The kept versions of each fact, by (`known_at`, offset).
        var versions: [[Int32]] = Array(repeating: [], count: facts.count)
        for row in 0..<rows.count {
            let fact = Int(facts.numbers[row])
            let kept = versions[fact]
            // Offsets ascend with rows, so an equal known_at puts the new row behind.
            var position = kept.count
            while position > 0, rows.knownAt[Int(kept[position - 1])] > rows.knownAt[row] { position -= 1 }
            if row >= committed, position > 0 {
                let before = Int(kept[position - 1])
                let same = declared.allSatisfy { $0.isIdentical(before, row) }
                if source.isStatic, !same, conflict == nil { conflict = row }
                if same, rows.knownAt[before] != SourceRows.unknown || rows.knownAt[row] == SourceRows.unknown {
                    isDuplicate[row] = true
                    continue
                }
            }
            versions[fact].insert(Int32(row), at: position)
        }
    }
}

extension Column {
    /// Whether two of its values are the same, NULLs and the bits of floats included.
    func isIdentical(_ left: Int, _ right: Int) -> Bool {
        if isNull(left) || isNull(right) { return isNull(left) && isNull(right) }
        return switch values {
        case .bits(let values): values[left] == values[right]
        case .words(let values): values[left] == values[right]
        case .floats(let values): values[left].bitPattern == values[right].bitPattern
        case .wides(let values): values[left] == values[right]
        case .bytes(let values), .packed(let values): values.compare(left, values, right) == 0
        }
    }
}

extension SourceRows {
    /// These rows without the duplicates among them.
    ///
    /// - Throws: `StaticConflict` if rows of a static source contradict each other.
    public func withoutDuplicates(of source: Source) throws(StaticConflict) -> SourceRows {
        let duplicates = Duplicates(self, of: source)
        if let row = duplicates.conflict { throw StaticConflict(row: row) }
        guard duplicates.isDuplicate.contains(true) else { return self }
        let kept = duplicates.isDuplicate.indices.filter { !duplicates.isDuplicate[$0] }.map { Int32($0) }
        return gathered(kept)
    }
}

/// A row contradicts another one of the same id in a static source, whose rows are facts for all time.
public struct StaticConflict: Error, Sendable {
    /// The row's place, counted from 0.
    public var row: Int
}
