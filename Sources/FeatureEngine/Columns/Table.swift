/// Named columns of one length, in order.
public struct Table: Sendable {
    public private(set) var names: [String] = []
    public private(set) var columns: [Column] = []
    public private(set) var rowCount: Int

    /// A table without columns still has a number of rows.
    public init(rowCount: Int = 0) {
        self.rowCount = rowCount
    }

    public init(_ columns: [(name: String, column: Column)]) {
        rowCount = columns.first?.column.count ?? 0
        for (name, column) in columns { append(name, column) }
    }

    public mutating func append(_ name: String, _ column: Column) {
        precondition(columns.isEmpty && rowCount == 0 || column.count == rowCount, "columns of different lengths")
        rowCount = column.count
        names.append(name)
        columns.append(column)
    }

    /// The rows of several tables with the same columns, one table after the other.
    public init(concatenating tables: [Table]) {
        rowCount = tables.reduce(0) { $0 + $1.rowCount }
        names = tables[0].names
        columns = names.indices.map { index in Column(concatenating: tables.map { $0.columns[index] }) }
    }

    public subscript(name: String) -> Column? {
        names.firstIndex(of: name).map { columns[$0] }
    }
}
