internal import CLibPQ

/// The rows of a result, in binary form; freed with the last reference.
@safe public final class Rows {
    private let result: OpaquePointer
    /// A table's name, by its number. It holds no connection: rows outlive theirs.
    private let tableName: (UInt32) -> String?

    init(_ result: OpaquePointer, tableName: @escaping (UInt32) -> String?) {
        unsafe self.result = unsafe result
        self.tableName = tableName
    }

    deinit { unsafe PQclear(result) }

    /// How many rows there are.
    public var count: Int { Int(unsafe PQntuples(result)) }

    /// How many bytes all of it takes up in memory.
    public var bytes: Int { Int(unsafe PQresultMemorySize(result)) }

    var columns: [(name: String, type: UInt32)] {
        unsafe (0..<PQnfields(result)).map { unsafe (String(cString: PQfname(result, $0)), PQftype(result, $0)) }
    }

    /// How many rows the statement changed.
    public var affected: Int {
        guard let text = unsafe PQcmdTuples(result) else { return 0 }
        return unsafe Int(String(cString: text)) ?? 0
    }

    /// A row by its place, from 0.
    public subscript(row: Int) -> Row { Row(rows: self, row: row) }

    /// Reads the rows one after another, just as they would arrive in a stream.
    public func read(_ body: (inout RowReader) throws -> Void) rethrows {
        for row in 0..<count {
            var reader = unsafe RowReader(result: result, row: row)
            try body(&reader)
        }
    }

    /// The first row; nil if there is none.
    public var first: Row? { count > 0 ? self[0] : nil }

    /// The row of a statement that always returns exactly one, such as a count.
    ///
    /// - Throws: `isDamagedValue` if it returned any other number of rows.
    public func single() throws(PostgresError) -> Row {
        guard count == 1 else { throw .damagedValue("PostgreSQL gave \(count) rows where there is always one") }
        return self[0]
    }

    /// The results of `body` for each row, in order.
    public func map<T, E: Error>(_ body: (Row) throws(E) -> T) throws(E) -> [T] {
        var values: [T] = []
        for row in 0..<count { values.append(try body(self[row])) }
        return values
    }

    fileprivate func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        let row = Int32(row), column = Int32(column)
        guard unsafe PQgetisnull(result, row, column) == 0, let value = unsafe PQgetvalue(result, row, column) else {
            return nil
        }
        let count = Int(unsafe PQgetlength(result, row, column))
        return unsafe Array(UnsafeRawBufferPointer(start: value, count: count))
    }

    fileprivate func type(_ column: Int) -> UInt32 { unsafe PQftype(result, Int32(column)) }

    /// A column holds a NULL, or a value of another width, where that can't be: somebody changed the table by hand.
    fileprivate func damaged(_ column: Int, _ what: String) -> PostgresError {
        let name = unsafe PQfname(result, Int32(column)).map { unsafe String(cString: $0) } ?? "\(column)",
            table = unsafe PQftable(result, Int32(column))
        return .damagedValue(
            "column '\(name)' \(table == 0 ? "of a statement" : "of \(tableName(table) ?? "a table")") \(what)")
    }

    /// One row. Columns are numbered from 0. What isn't called optional throws `PostgresError.isDamagedValue` if the
    /// column is NULL.
    public struct Row {
        let rows: Rows
        let row: Int

        /// Whether a column is NULL.
        public func isNull(_ column: Int) -> Bool { rows.bytes(row, column) == nil }

        /// A value, read as those of a COPY are.
        public func read<T>(_ column: Int, _ body: (inout RowReader) -> T) -> T {
            withExtendedLifetime(rows) {
                var reader = unsafe RowReader(result: rows.result, row: row, column: column)
                return body(&reader)
            }
        }

        /// A value's bytes in binary form, such as the content of a `bytea`.
        public func bytes(_ column: Int) throws(PostgresError) -> [UInt8] { try present(optionalBytes(column), column) }
        /// A value's bytes in binary form; nil for NULL.
        public func optionalBytes(_ column: Int) -> [UInt8]? { rows.bytes(row, column) }

        /// A `text`, or the text of a `json` or `jsonb`.
        public func text(_ column: Int) throws(PostgresError) -> String { try present(optionalText(column), column) }
        /// A `text`, or the text of a `json` or `jsonb`; nil for NULL.
        public func optionalText(_ column: Int) -> String? {
            guard var bytes = rows.bytes(row, column) else { return nil }
            // The binary form of jsonb begins with its version.
            if rows.type(column) == 3802, !bytes.isEmpty { bytes.removeFirst() }
            return String(decoding: bytes, as: UTF8.self)
        }

        /// A `boolean`.
        public func bool(_ column: Int) throws(PostgresError) -> Bool {
            try present(rows.bytes(row, column).map { $0 == [1] }, column)
        }

        /// An integer of any width.
        public func int64(_ column: Int) throws(PostgresError) -> Int64 { try present(optionalInt64(column), column) }
        /// An integer of any width; nil for NULL.
        ///
        /// - Throws: `isDamagedValue` for a value that isn't an integer.
        public func optionalInt64(_ column: Int) throws(PostgresError) -> Int64? {
            guard let bytes = rows.bytes(row, column) else { return nil }
            guard let first = bytes.first, bytes.count <= 8 else { throw rows.damaged(column, "isn't an integer") }
            return bytes.reduce(first >= 0x80 ? -1 : 0) { $0 << 8 | Int64($1) }
        }

        /// A `timestamptz` in microseconds since 1970.
        public func timestamp(_ column: Int) throws(PostgresError) -> Int64 { try int64(column) &+ postgresEpoch }
        /// A `timestamptz` in microseconds since 1970; nil for NULL.
        public func optionalTimestamp(_ column: Int) throws(PostgresError) -> Int64? {
            try optionalInt64(column).map { $0 &+ postgresEpoch }
        }

        /// A `date` in days since 1970.
        public func date(_ column: Int) throws(PostgresError) -> Int64 { try int64(column) &+ postgresEpochDay }

        /// A `numeric` as a whole number of its `scale` digits after the point.
        ///
        /// - Throws: `isDamagedValue` also for a value with more digits, and for NaN and the infinities.
        public func numeric(_ column: Int, scale: Int) throws(PostgresError) -> Int128 {
            let bytes = try bytes(column)
            guard let value = unsafe bytes.withUnsafeBytes({ unsafe Numeric.unscaled($0, scale: scale) }) else {
                throw rows.damaged(column, "isn't a number of \(scale) digits after its point")
            }
            return value
        }

        private func present<T>(_ value: T?, _ column: Int) throws(PostgresError) -> T {
            guard let value else { throw rows.damaged(column, "is NULL, which it never was") }
            return value
        }
    }
}
