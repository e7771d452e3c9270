internal import CLibPQ

/// The rows of a result, in binary; freed with the last reference.
@safe public final class Rows {
    private let result: OpaquePointer
    /// What a table is called, by its number. It holds no connection: rows outlive theirs.
    private let tableName: (UInt32) -> String?

    init(_ result: OpaquePointer, tableName: @escaping (UInt32) -> String?) {
        unsafe self.result = unsafe result
        self.tableName = tableName
    }

    deinit { unsafe PQclear(result) }

    public var count: Int { Int(unsafe PQntuples(result)) }

    /// What all of it takes up in memory.
    public var bytes: Int { Int(unsafe PQresultMemorySize(result)) }

    var columns: [(name: String, type: UInt32)] {
        unsafe (0..<PQnfields(result)).map { unsafe (String(cString: PQfname(result, $0)), PQftype(result, $0)) }
    }

    /// How many rows the statement changed.
    public var affected: Int {
        guard let text = unsafe PQcmdTuples(result) else { return 0 }
        return unsafe Int(String(cString: text)) ?? 0
    }

    public subscript(row: Int) -> Row { Row(rows: self, row: row) }

    /// Reads its rows one after the other, as they would arrive.
    public func read(_ body: (inout RowReader) throws -> Void) rethrows {
        for row in 0..<count {
            var reader = unsafe RowReader(result: result, row: row)
            try body(&reader)
        }
    }

    public var first: Row? { count > 0 ? self[0] : nil }

    /// The row of a statement that always gives one, such as a count.
    public func single() throws(PostgresError) -> Row {
        guard count == 1 else { throw .damagedValue("PostgreSQL gave \(count) rows where there is always one") }
        return self[0]
    }

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

    /// That a column has a NULL, or a value of another width, where none can be: who may change tables by hand did.
    fileprivate func damaged(_ column: Int, _ what: String) -> PostgresError {
        let name = unsafe PQfname(result, Int32(column)).map { unsafe String(cString: $0) } ?? "\(column)",
            table = unsafe PQftable(result, Int32(column))
        return .damagedValue(
            "column '\(name)' \(table == 0 ? "of a statement" : "of \(tableName(table) ?? "a table")") \(what)")
    }

    /// One row. Columns are numbered from 0. What isn't called optional throws where the column is NULL, with
    /// `PostgresError.isDamagedValue`.
    public struct Row {
        let rows: Rows
        let row: Int

        public func isNull(_ column: Int) -> Bool { rows.bytes(row, column) == nil }

        public func bytes(_ column: Int) throws(PostgresError) -> [UInt8] { try present(optionalBytes(column), column) }
        public func optionalBytes(_ column: Int) -> [UInt8]? { rows.bytes(row, column) }

        public func text(_ column: Int) throws(PostgresError) -> String { try present(optionalText(column), column) }
        public func optionalText(_ column: Int) -> String? {
            guard var bytes = rows.bytes(row, column) else { return nil }
            // jsonb's binary form begins with its version.
            if rows.type(column) == 3802, !bytes.isEmpty { bytes.removeFirst() }
            return String(decoding: bytes, as: UTF8.self)
        }

        public func bool(_ column: Int) throws(PostgresError) -> Bool {
            try present(rows.bytes(row, column).map { $0 == [1] }, column)
        }

        /// An integer of any width.
        public func int64(_ column: Int) throws(PostgresError) -> Int64 { try present(optionalInt64(column), column) }
        public func optionalInt64(_ column: Int) throws(PostgresError) -> Int64? {
            guard let bytes = rows.bytes(row, column) else { return nil }
            guard let first = bytes.first, bytes.count <= 8 else { throw rows.damaged(column, "isn't an integer") }
            return bytes.reduce(first >= 0x80 ? -1 : 0) { $0 << 8 | Int64($1) }
        }

        /// Microseconds since 1970.
        public func timestamp(_ column: Int) throws(PostgresError) -> Int64 { try int64(column) &+ postgresEpoch }
        public func optionalTimestamp(_ column: Int) throws(PostgresError) -> Int64? {
            try optionalInt64(column).map { $0 &+ postgresEpoch }
        }

        private func present<T>(_ value: T?, _ column: Int) throws(PostgresError) -> T {
            guard let value else { throw rows.damaged(column, "is NULL, which it never was") }
            return value
        }
    }
}
