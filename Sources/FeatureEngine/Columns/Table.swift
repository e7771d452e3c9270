package import FeatureLanguage

/// Named columns of one length, in order.
public struct Table: Sendable {
    /// The columns' names, in the order of `columns`.
    public private(set) var names: [String] = []
    /// The columns, each with `rowCount` values.
    public private(set) var columns: [Column] = []
    /// The number of rows, which a table without columns has too.
    public private(set) var rowCount: Int

    /// A table without columns, but still with a number of rows.
    public init(rowCount: Int = 0) {
        self.rowCount = rowCount
    }

    /// A table of columns, which must all have one length.
    public init(_ columns: [(name: String, column: Column)]) {
        rowCount = columns.first?.column.count ?? 0
        for (name, column) in columns { append(name, column) }
    }

    /// The rows that builders took, one for each column; the builders begin again without values.
    package init(_ columns: [ColumnDefinition], _ builders: inout [ColumnBuilder]) {
        self.init(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) })
    }

    /// Adds a column at the end; it must have as many rows as the others.
    public mutating func append(_ name: String, _ column: Column) {
        precondition(columns.isEmpty && rowCount == 0 || column.count == rowCount, "columns of different lengths")
        rowCount = column.count
        names.append(name)
        columns.append(column)
    }

    /// The rows of several tables with the same columns, one table after another; there must be at least one.
    public init(concatenating tables: [Table]) {
        rowCount = tables.reduce(0) { $0 + $1.rowCount }
        names = tables[0].names
        columns = names.indices.map { index in Column(concatenating: tables.map { $0.columns[index] }) }
    }

    /// The first column with this name; nil if there is none.
    public subscript(name: String) -> Column? {
        names.firstIndex(of: name).map { columns[$0] }
    }
}
