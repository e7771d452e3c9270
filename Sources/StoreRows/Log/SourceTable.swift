package import FeatureEngine
package import FeatureLanguage
package import Postgres
internal import StoreRecord

/// A source's table, `firn_source.<name>`: the declared columns under their own names, and where each row came from.
///
///     firn_batch     bigint       the batch; firn.batches has its base offset and, for pushed rows, `known_at`
///     firn_position  integer      from 1; offset = base_offset + firn_position
///     firn_known_at  timestamptz  for imported rows; NULL: never known
package struct SourceTable {
    let source: Source
    private let progress: (Int) -> Void

    /// - Parameter progress: called now and then with how many rows a read has returned.
    package init(_ source: Source, progress: @escaping (Int) -> Void = { _ in }) {
        self.source = source
        self.progress = progress
    }

    package var name: SQL { "firn_source.\(identifier: source.name)" }

    private static let own = ["firn_batch", "firn_position", "firn_known_at"]

    /// The names of its columns, in the order in which they are copied.
    var columns: SQL {
        SQL.joined((SourceTable.own + source.columns.map(\.name)).map { "\(identifier: $0)" }, by: ", ")
    }

    // MARK: Definition

    /// Creates the table through the owner's functions, for a server that isn't the owner
    /// (migrations/0005_server_role.sql).
    package func create(_ connection: Connection) throws {
        let required = Set(source.requiredColumns)
        let names: Parameter = .array(.text, source.columns.map { .text($0.name) }),
            types: Parameter = .array(.text, source.columns.map { .text($0.type.rules.sqlName) })
        let isRequired: Parameter = .array(.bool, source.columns.map { .bool(required.contains($0.name)) })
        try connection.execute("select firn.create_source(\(source.name), \(names), \(types), \(isRequired))")
        if !source.id.isEmpty { try index(source.id, connection) }
    }

    package func add(_ names: [String], _ connection: Connection) throws {
        for column in source.columns where names.contains(column.name) {
            try connection.execute(
                "select firn.add_column(\(source.name), \(column.name), \(column.type.rules.sqlName))")
        }
    }

    /// Creates an index over columns, unless there is one.
    package func index(_ columns: [String], _ connection: Connection) throws {
        let index = SourceTable.name("rows", [source.name] + columns)
        // It asks first because `create index` waits for everyone who writes, even if there is nothing to do.
        if try connection.execute("select to_regclass(\("firn_source." + index)) is not null").single().bool(0) {
            return
        }
        try connection.execute(
            "select firn.index_source(\(index), \(source.name), \(Parameter.array(.text, columns.map { .text($0) })))")
    }

    /// A short name that stands for long ones (FNV-1a, so it is stable).
    package static func name(_ prefix: String, _ parts: [String]) -> String {
        "\(prefix)_\(String(parts.joined(separator: "\u{0}").utf8.fnv1a, radix: 36))"
    }

    // MARK: Rows in

    /// Copies a table's rows into `target`, with positions counting from `first`.
    func write(_ rows: Table, knownAt: [Int64]?, batch: Int64, first: Int, to writer: inout CopyWriter)
        throws(PostgresError)
    {
        let columns = source.columns.map { rows[$0.name]! }
        for row in 0..<rows.rowCount {
            try writer.beginRow(fields: 3 + columns.count)
            writer.write(batch)
            writer.write(int32: Int32(first + row))
            if let knownAt, knownAt[row] != SourceRows.unknown {
                writer.write(timestamp: knownAt[row])
            } else {
                writer.writeNull()
            }
            for column in columns { writer.write(column, row) }
        }
    }

    // MARK: Rows out

    /// Its rows as `r`, each with its batch as `b`; conditions refer to these.
    package var rows: SQL { "\(name) r join firn.batches b on b.batch = r.firn_batch" }

    /// Whether later rows may be versions of earlier facts.
    var hasFacts: Bool { !source.id.isEmpty && !source.isStatic }

    /// The columns of the id, over `r`.
    package var ids: SQL { SQL.joined(source.id.map { "r.\(identifier: $0)" }, by: ", ") }

    /// The id's columns in the form in which they are compared with others.
    package var indexedIDs: SQL { indexed(source.id, of: "r") }

    /// Whether the row's fact has a version for which a condition holds. Meant for many rows, since no index helps.
    package func hasVersion(where condition: SQL) -> SQL {
        "(\(ids)) in (select \(ids) from \(rows) where \(condition))"
    }

    /// Columns to compare with others. Texts stand next to their hashes, which is what indexes hold: no index takes a
    /// value of more than some 2,700 bytes.
    package func indexed(_ columns: [String], of alias: SQL) -> SQL {
        SQL.joined(
            columns.flatMap { column -> [SQL] in
                let own: SQL = "\(alias).\(identifier: column)"
                return type(column) == .string ? [own, own.hashed] : [own]
            }, by: ", ")
    }

    /// Whether columns of `r` have given values, in a form that an index can answer.
    package func equal(_ columns: [String], to values: [SQL]) -> SQL {
        SQL.joined(zip(columns, values).map { type($0).equal("r.\(identifier: $0)", $1) }, by: " and ")
    }

    private func type(_ column: String) -> ValueType { source.column(column)!.type }

    // Few rows are found by index, whatever the statistics of a table that has just grown or was restored may say: each
    // step is a query of its own, which PostgreSQL can't reorder (`offset 0`). They are fast on a connection that reads
    // by index, or inside `byIndex`.

    /// For each row of `list`, the rows, as `r`, whose columns have given values of it.
    func found(by columns: [String], in values: [SQL], of list: SQL, where condition: SQL? = nil) -> SQL {
        let wanted = [columns.isEmpty ? nil : equal(columns, to: values), condition].compactMap(\.self)
        return
            "\(list) cross join lateral (select r.* from \(name) r\(wanted.isEmpty ? "" : " where \(SQL.joined(wanted, by: " and "))" as SQL) offset 0) r"
    }

    /// For each row of `list`, which has a fact's id as `f`, the fact's versions as `r`.
    func versions(of list: SQL) -> SQL { found(by: source.id, in: source.id.map { "f.\(identifier: $0)" }, of: list) }

    /// Facts as `f`: the ids of a list's rows, which are `r`.
    func facts(of list: SQL) -> SQL { "(select distinct \(ids) from \(list)) f" }

    /// The rows, as `r`, of a list, each with its batch as `b`, if a condition holds for that.
    func withBatches(_ list: SQL, where condition: SQL) -> SQL {
        "\(list) cross join lateral (select b.base_offset, b.known_at from firn.batches b where b.batch = r.firn_batch and \(condition) offset 0) b"
    }

    /// A stretch of the log with up to this many rows is short: its rows count as few.
    package static let shortStretch: Int64 = 100_000
    package static func isShort(after: Int64, upTo: Int64) -> Bool { upTo - after <= shortStretch }

    /// The rows of a stretch of the log, and every other version of their facts up to its end: a list of `r` and `b`
    /// with a condition, to which more may be added.
    package func touched(after: Int64, upTo: Int64) -> SQL {
        let isCommitted: SQL = "b.base_offset + b.count <= \(upTo)"
        if SourceTable.isShort(after: after, upTo: upTo) {
            let stretch = stretch(after: after, upTo: upTo)
            return
                "\(hasFacts ? withBatches(versions(of: facts(of: stretch)), where: isCommitted) : stretch) where true"
        }
        if after == 0 { return "\(rows) where \(isCommitted)" }
        let fresh = offsets(after: after, upTo: upTo)
        return "\(rows) where \(hasFacts ? "\(isCommitted) and \(hasVersion(where: fresh))" : fresh)"
    }

    /// Runs something that reads a stretch of the log: by index if it is short, otherwise from end to end.
    package func reading<T>(after: Int64, upTo: Int64, _ connection: Connection, _ body: () throws -> T) throws -> T {
        try SourceTable.isShort(after: after, upTo: upTo) ? connection.byIndex(body) : connection.byScan(body)
    }

    /// The rows, as `r`, of a short stretch of the log, with their batches as `b`.
    func stretch(after: Int64, upTo: Int64) -> SQL {
        let batches: SQL =
            "(select b.batch, b.base_offset, b.known_at from firn.batches b where \(offsets(after: after, upTo: upTo)) offset 0) b"
        return "\(batches) cross join lateral (select r.* from \(name) r where r.firn_batch = b.batch offset 0) r"
    }

    /// A condition over `b`: the source's whole batches in a stretch of the log. The name and our numbers are written
    /// out, since a copy takes no values.
    package func offsets(after: Int64, upTo: Int64) -> SQL {
        """
        b.source = \(literal: source.name) and b.base_offset >= \(literal: after) and b.base_offset < \(literal: upTo) and b.base_offset + b.count <= \(literal: upTo)
        """
    }

    /// Rows, with what the log knows about them.
    ///
    /// - Parameters:
    ///   - names: the declared columns to read.
    ///   - condition: over `r`, the rows, and `b`, their batches.
    func read(_ names: [String], where condition: SQL, with prefix: SQL = "", _ connection: Connection) throws
        -> SourceRows
    {
        try connection.byScan { try read(names, from: "\(rows) where \(condition)", with: prefix, connection) }
    }

    /// Reads few rows, given as a list of `r` and `b` and found by index.
    func read(few names: [String], from list: SQL, with prefix: SQL = "", _ connection: Connection) throws -> SourceRows
    {
        try connection.byIndex { try read(names, from: list, with: prefix, connection) }
    }

    private func read(_ names: [String], from list: SQL, with prefix: SQL = "", _ connection: Connection) throws
        -> SourceRows
    {
        try rows(declared(names), "\(prefix)\(query(names, from: list))", connection)
    }

    /// The rows of a stretch of the log; with `allVersions`, all versions of their facts too.
    func read(_ names: [String], after: Int64, upTo: Int64, allVersions: Bool, _ connection: Connection) throws
        -> SourceRows
    {
        try reading(after: after, upTo: upTo, connection) {
            let own: SQL =
                SourceTable.isShort(after: after, upTo: upTo)
                ? stretch(after: after, upTo: upTo) : "\(rows) where \(offsets(after: after, upTo: upTo))"
            return try read(names, from: allVersions ? touched(after: after, upTo: upTo) : own, connection)
        }
    }

    /// The query for such a read.
    func query(_ names: [String], from list: SQL) -> SQL {
        let own: [SQL] = ["b.base_offset + r.firn_position", "coalesce(b.known_at, r.firn_known_at)", eventTime]
        return "select \(SQL.joined(declared(names).map { "r.\(identifier: $0.name)" } + own, by: ", ")) from \(list)"
    }

    /// The rows in its answer.
    package func rows(_ names: [String], of answer: Rows) -> SourceRows {
        var gathering = Gathering(declared(names), isStatic: source.isStatic)
        answer.read { gathering.take(&$0) }
        return gathering.finish()
    }

    private func declared(_ names: [String]) -> [ColumnDefinition] { source.columns.filter { names.contains($0.name) } }

    private var eventTime: SQL { source.eventTime.map { "r.\(identifier: $0)::timestamptz" } ?? "null::timestamptz" }

    /// Reads a query's rows (the declared columns, offset, `known_at`, event time) and puts them in commit order.
    package func rows(_ declared: [ColumnDefinition], _ query: SQL, _ connection: Connection) throws -> SourceRows {
        var gathering = Gathering(declared, isStatic: source.isStatic)
        let memory = RowMemory.current
        var taken = 0
        try connection.stream(query) { reader in
            gathering.take(&reader)
            if gathering.count % 8192 == 0 {
                progress(gathering.count)
                if let memory {
                    // While they are put in order, they are there twice.
                    try memory.take(2 * (gathering.bytes - taken))
                    taken = gathering.bytes
                }
            }
        }
        return gathering.finish()
    }

    /// Rows as they arrive.
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
        /// How many bytes they take up.
        var bytes: Int { builders.reduce(count * 24) { $0 + $1.bytes } }

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

/// How large a row of a table may be, by its columns' types.
package enum RowWidth {
    /// Our own columns, which each source's table has besides the declared ones.
    package static let columnsOfOurs: [ValueType] = [.int64, .int64, .timestamp]

    /// How many bytes a page of PostgreSQL, as it is usually built (8 KiB), has for a row, and how many columns a table
    /// can have.
    private static let mostBytes = 8160, mostColumns = 1600

    /// - Parameter types: the columns' types, in their order.
    /// - Throws: `invalidRequest` if a row with a value in each column may be larger than what can be stored.
    package static func check(_ types: [ValueType], of what: String, advice: () -> String) throws {
        // A header, with one bit for each column.
        var bytes = (23 + (types.count + 7) / 8 + 7) / 8 * 8, isAligned = true
        for type in types {
            switch type.layout {
            case .bits: (bytes, isAligned) = (bytes + 1, false)
            // Longer values are stored elsewhere.
            case .bytes, .packed: (bytes, isAligned) = (bytes + 24, false)
            // Ten or eleven digits of base 10,000, and their head.
            case .wides: (bytes, isAligned) = (bytes + 32, false)
            // It begins at a multiple of eight.
            case .words, .floats: (bytes, isAligned) = (bytes + (isAligned ? 8 : 15), true)
            }
        }
        guard bytes <= mostBytes, types.count <= mostColumns else {
            throw StoreError(
                .invalidRequest,
                "\(what) has \(types.count) columns, whose values may come to \(bytes) bytes in a row; PostgreSQL stores \(mostBytes) bytes and \(mostColumns) columns",
                advice: advice())
        }
    }
}

extension SourceTable {
    /// The rows of a stretch of the log, together with what they retract under other keys.
    package func news(_ names: [String], keys: [String], after: Int64, upTo: Int64, _ connection: Connection) throws
        -> SourceRows
    {
        let rows = try read(names, after: after, upTo: upTo, allVersions: false, connection)
        guard rows.count > 0, hasFacts else { return rows }
        let all = try read(names, after: after, upTo: upTo, allVersions: true, connection)
        return rows.followed(by: all.retractions(of: source, keys: keys, after: after))
    }
}
