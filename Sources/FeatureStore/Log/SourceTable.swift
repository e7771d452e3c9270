internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// A source's table, `firn_source.<name>`: the declared columns under their own names, and where each row came from.
///
///     firn_batch     bigint       the batch; its base offset and, of pushed rows, `known_at` stand in firn.batches
///     firn_position  integer      from 1; offset = base_offset + firn_position
///     firn_known_at  timestamptz  of imported rows; NULL: never known
struct SourceTable {
    let source: Source
    private let progress: (Int) -> Void

    /// - Parameter progress: called now and then with how many rows a reading has brought.
    init(_ source: Source, progress: @escaping (Int) -> Void = { _ in }) {
        self.source = source
        self.progress = progress
    }

    var name: SQL { "firn_source.\(identifier: source.name)" }

    private static let own = ["firn_batch", "firn_position", "firn_known_at"]

    /// The names of its columns as they are copied.
    var columns: SQL { SQL.joined((SourceTable.own + source.columns.map(\.name)).map { "\(identifier: $0)" }, by: ", ") }

    // MARK: Definition

    /// Functions of the owner's do it, for a server that isn't (migrations/0005_server_role.sql).
    func create(_ connection: Connection) throws {
        let required = Set(source.requiredColumns)
        let names: Parameter = .array(.text, source.columns.map { .text($0.name) }), types: Parameter = .array(.text, source.columns.map { .text($0.type.sqlName) })
        let isRequired: Parameter = .array(.bool, source.columns.map { .bool(required.contains($0.name)) })
        try connection.execute("select firn.create_source(\(source.name), \(names), \(types), \(isRequired))")
        if !source.id.isEmpty { try index(source.id, connection) }
    }

    func add(_ names: [String], _ connection: Connection) throws {
        for column in source.columns where names.contains(column.name) {
            try connection.execute("select firn.add_column(\(source.name), \(column.name), \(column.type.sqlName))")
        }
    }

    /// An index over columns, unless there is one.
    func index(_ columns: [String], _ connection: Connection) throws {
        let index = SourceTable.name("rows", [source.name] + columns)
        // Asking first: create index waits for everybody who writes, also where there is nothing to do.
        if try connection.execute("select to_regclass(\("firn_source." + index)) is not null").first!.bool(0) { return }
        try connection.execute("select firn.index_source(\(index), \(source.name), \(Parameter.array(.text, columns.map { .text($0) })))")
    }

    /// A short name for what long names stand for (FNV-1a).
    static func name(_ prefix: String, _ parts: [String]) -> String {
        let hash = parts.joined(separator: "\u{0}").utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return "\(prefix)_\(String(hash, radix: 36))"
    }

    // MARK: Rows in

    /// Copies rows of a table into `target`, counted on from `first`.
    func write(_ rows: Table, knownAt: [Int64]?, batch: Int64, first: Int, to writer: inout CopyWriter) throws(PostgresError) {
        let columns = source.columns.map { rows[$0.name]! }
        for row in 0..<rows.rowCount {
            try writer.beginRow(fields: 3 + columns.count)
            writer.write(batch)
            writer.write(int32: Int32(first + row))
            if let knownAt, knownAt[row] != SourceRows.unknown { writer.write(timestamp: knownAt[row]) } else { writer.writeNull() }
            for column in columns { writer.write(column, row) }
        }
    }

    // MARK: Rows out

    /// Its rows as `r`, each with its batch as `b`: what conditions are over.
    var rows: SQL { "\(name) r join firn.batches b on b.batch = r.firn_batch" }

    /// The columns of the id, over `r`.
    var ids: SQL { SQL.joined(source.id.map { "r.\(identifier: $0)" }, by: ", ") }

    /// Whether the row's fact has a version for which a condition holds.
    func hasVersion(where condition: SQL) -> SQL { "(\(ids)) in (select \(ids) from \(rows) where \(condition))" }

    /// Over `b`, the source's whole batches of a stretch of the log. The name and numbers of ours, written out: a copy takes no values.
    func offsets(after: Int64, upTo: Int64) -> SQL {
        """
        b.source = \(literal: source.name) and b.base_offset >= \(literal: after) and b.base_offset < \(literal: upTo) and b.base_offset + b.count <= \(literal: upTo)
        """
    }

    /// Rows with what the log knows of them.
    ///
    /// - Parameters:
    ///   - names: the declared columns to read.
    ///   - condition: over `r`, the rows, and `b`, their batches.
    func read(_ names: [String], where condition: SQL, with prefix: SQL = "", _ connection: Connection) throws -> SourceRows {
        try rows(declared(names), "\(prefix)\(query(names, where: condition))", connection)
    }

    /// What such a reading asks.
    func query(_ names: [String], where condition: SQL) -> SQL {
        let own: [SQL] = ["b.base_offset + r.firn_position", "coalesce(b.known_at, r.firn_known_at)", eventTime]
        return "select \(SQL.joined(declared(names).map { "r.\(identifier: $0.name)" } + own, by: ", ")) from \(rows) where \(condition)"
    }

    /// What came of it.
    func rows(_ names: [String], of answer: Rows) -> SourceRows {
        var gathering = Gathering(declared(names), isStatic: source.isStatic)
        answer.read { gathering.take(&$0) }
        return gathering.finish()
    }

    private func declared(_ names: [String]) -> [ColumnDefinition] { source.columns.filter { names.contains($0.name) } }

    private var eventTime: SQL { source.eventTime.map { "r.\(identifier: $0)" } ?? "null::timestamptz" }

    /// Reads a query's rows: the declared columns, offset, `known_at`, event time; and puts them in commit order.
    func rows(_ declared: [ColumnDefinition], _ query: SQL, _ connection: Connection) throws -> SourceRows {
        var gathering = Gathering(declared, isStatic: source.isStatic)
        try connection.stream(query) { reader in
            gathering.take(&reader)
            if gathering.count % 8192 == 0 { progress(gathering.count) }
        }
        return gathering.finish()
    }

    /// Rows as they come.
    private struct Gathering {
        private let declared: [ColumnDefinition]
        private let isStatic: Bool
        private var builders: [ColumnBuilder]
        private var offsets: [Int64] = [], known: [Int64] = [], times: [Int64] = []

        init(_ declared: [ColumnDefinition], isStatic: Bool) {
            self.declared = declared
            self.isStatic = isStatic
            builders = declared.map { ColumnBuilder($0.type) }
        }

        var count: Int { offsets.count }

        mutating func take(_ reader: inout RowReader) {
            for index in declared.indices { builders[index].append(&reader) }
            offsets.append(reader.int64() ?? 0)
            known.append(reader.timestamp() ?? SourceRows.unknown)
            let time = reader.timestamp()
            if !isStatic { times.append(time ?? 0) }
        }

        mutating func finish() -> SourceRows {
            var columns: [String: Column] = [:]
            for index in declared.indices { columns[declared[index].name] = builders[index].finish() }
            return SourceRows(columns: columns, eventTimes: times, knownAt: known, offsets: offsets).inCommitOrder()
        }
    }
}

extension ValueType {
    /// PostgreSQL's type.
    var sql: SQL { SQL(stringLiteral: sqlName) }

    var sqlName: String {
        switch self {
        case .bool: "boolean"
        case .int64: "bigint"
        case .float64: "double precision"
        case .string: "text"
        case .timestamp: "timestamptz"
        }
    }

    var parameterKind: Parameter.Kind {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .text
        case .timestamp: .timestamp
        }
    }
}

extension Literal {
    func parameter(_ type: ValueType) -> Parameter {
        switch self {
        case .null: .null(type.parameterKind)
        case .bool(let value): .bool(value)
        case .int64(let value): .int64(value)
        case .float64(let bits): .float64(Double(bitPattern: bits))
        case .string(let text): .text(text)
        case .timestamp(let instant): .timestamp(instant.microseconds)
        }
    }
}

extension Rows.Row {
    /// A value of a type of ours.
    func literal(_ column: Int, _ type: ValueType) -> Literal {
        if isNull(column) { return .null }
        return switch type {
        case .bool: .bool(bool(column))
        case .int64: .int64(int64(column))
        case .float64: .float64(bits: bytes(column).reduce(0) { $0 << 8 | UInt64($1) })
        case .string: .string(text(column))
        case .timestamp: .timestamp(Instant(microseconds: timestamp(column)))
        }
    }
}

extension Column {
    /// Its values as one array to bind. Not inlined: the optimiser of Swift 6.3 fails where it is.
    @inline(never)
    var parameter: Parameter {
        let type = type
        var values: [Parameter] = []
        for row in 0..<count { values.append(self[row].parameter(type)) }
        return .array(type.parameterKind, values)
    }
}

extension CopyWriter {
    /// One value of a column.
    mutating func write(_ column: Column, _ row: Int) {
        if column.isNull(row) { return writeNull() }
        switch column.values {
        case .bool(let values): write(values[row])
        case .int64(let values): write(values[row])
        case .float64(let values): write(values[row])
        case .timestamp(let values): write(timestamp: values[row])
        case .string(let values): write(bytes: values.bytes[values.range(row)])
        }
    }
}

extension ColumnBuilder {
    mutating func append(_ reader: inout RowReader) {
        switch type {
        case .bool: if let value = reader.bool() { append(value) } else { appendNull() }
        case .int64: if let value = reader.int64() { append(value) } else { appendNull() }
        case .float64: if let value = reader.float64() { append(value) } else { appendNull() }
        case .timestamp: if let value = reader.timestamp() { append(value) } else { appendNull() }
        case .string: if let value = reader.text() { append(bytes: value) } else { appendNull() }
        }
    }
}
