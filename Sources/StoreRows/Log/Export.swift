internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

extension StoreLog {
    /// Writes all of a source's rows to a file, in commit order, each with the time it became known, so that importing
    /// the file gives the same history.
    ///
    /// - Parameters:
    ///   - output: `.csv`, `.ndjson`, `.arrow` or `.arrows`; nil writes CSV to standard output.
    ///   - progress: called with the rows so far and the total.
    /// - Returns: how many rows were written.
    public func exportRows(
        of name: String, to output: String?, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> Int {
        try await withCatalog { connection, catalog in
            let source = try catalog.source(named: name)
            var columns = source.columns
            if !source.isStatic { columns.append(ColumnDefinition(Source.knownAtColumn, .timestamp)) }
            var writer = try RowWriter(path: output, columns: columns)
            let total = Int(try BatchLog(source: source, connection: connection).head().offset)
            var builders = columns.map { ColumnBuilder($0.type) }
            var count = 0
            func flush() throws {
                try Task.checkCancellation()
                count += builders[0].count
                try writer.write(builders.indices.map { builders[$0].finish() })
                progress(count, total)
            }
            let list = SQL.joined(
                source.columns.map { "r.\(identifier: $0.name)" }
                    + (source.isStatic ? [] : ["coalesce(b.known_at, r.firn_known_at)"]), by: ", ")
            let query: SQL = """
                select \(list) from \(SourceTable(source).rows) order by b.base_offset, r.firn_position
                """
            try connection.copyOut("copy (\(query)) to stdout (format binary)") { row in
                for index in builders.indices { builders[index].append(&row) }
                if builders[0].count == 1 << 16 { try flush() }
            }
            if builders[0].count > 0 { try flush() }
            try writer.publish()
            return count
        }
    }
}
