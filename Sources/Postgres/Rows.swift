internal import CLibPQ

/// The rows of a result, in binary; freed with the last reference.
@safe public final class Rows {
    private let result: OpaquePointer

    init(_ result: OpaquePointer) {
        unsafe self.result = unsafe result
    }

    deinit { unsafe PQclear(result) }

    public var count: Int { Int(unsafe PQntuples(result)) }

    /// What all of it takes up in memory.
    public var bytes: Int { Int(unsafe PQresultMemorySize(result)) }

    var columns: [(name: String, type: UInt32)] { unsafe (0..<PQnfields(result)).map { unsafe (String(cString: PQfname(result, $0)), PQftype(result, $0)) } }

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
        guard count == 1 else { throw PostgresError(code: "XX001", message: "PostgreSQL gave \(count) rows where there is always one") }
        return self[0]
    }

    public func map<T, E: Error>(_ body: (Row) throws(E) -> T) throws(E) -> [T] {
        var values: [T] = []
        for row in 0..<count { values.append(try body(self[row])) }
        return values
    }

    fileprivate func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        let row = Int32(row), column = Int32(column)
        guard unsafe PQgetisnull(result, row, column) == 0, let value = unsafe PQgetvalue(result, row, column) else { return nil }
        let count = Int(unsafe PQgetlength(result, row, column))
        return unsafe Array(UnsafeRawBufferPointer(start: value, count: count))
    }

    fileprivate func type(_ column: Int) -> UInt32 { unsafe PQftype(result, Int32(column)) }

    /// One row. Columns are numbered from 0; reading a NULL or another type than the column's is a fault of ours.
    public struct Row {
        let rows: Rows
        let row: Int

        public func isNull(_ column: Int) -> Bool { rows.bytes(row, column) == nil }

        public func bytes(_ column: Int) -> [UInt8] { optionalBytes(column) ?? [] }
        public func optionalBytes(_ column: Int) -> [UInt8]? { rows.bytes(row, column) }

        public func text(_ column: Int) -> String { optionalText(column) ?? "" }
        public func optionalText(_ column: Int) -> String? {
            guard var bytes = rows.bytes(row, column) else { return nil }
            // jsonb's binary form begins with its version.
            if rows.type(column) == 3802, !bytes.isEmpty { bytes.removeFirst() }
            return String(decoding: bytes, as: UTF8.self)
        }

        public func bool(_ column: Int) -> Bool { rows.bytes(row, column) == [1] }

        public func int64(_ column: Int) -> Int64 { optionalInt64(column) ?? 0 }
        /// An integer of any width.
        public func optionalInt64(_ column: Int) -> Int64? {
            guard let bytes = rows.bytes(row, column), let first = bytes.first else { return nil }
            return bytes.reduce(first >= 0x80 ? -1 : 0) { $0 << 8 | Int64($1) }
        }

        /// Microseconds since 1970.
        public func timestamp(_ column: Int) -> Int64 { int64(column) &+ postgresEpoch }
        public func optionalTimestamp(_ column: Int) -> Int64? { optionalInt64(column).map { $0 &+ postgresEpoch } }
    }
}
