internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

extension FormatRules {
    static let arrowFile = arrow(.file, suffixes: ["arrow", "feather"], mediaTypes: [])
    static let arrowStream = arrow(
        .stream, suffixes: ["arrows"], mediaTypes: ["application/vnd.apache.arrow.stream"])

    private static func arrow(_ layout: ArrowWriter.Layout, suffixes: [String], mediaTypes: [String]) -> FormatRules {
        FormatRules(
            suffixes: suffixes, mediaTypes: mediaTypes, isTyped: true, isPushed: true,
            reader: { bytes, request throws(TableError) in try ArrowTableReader(bytes, layout, request) },
            writer: { fields, writer throws(TableError) in try ArrowTableWriter(layout, fields, writer) })
    }
}

/// Record batches as typed columns.
struct ArrowTableReader: FormatReader {
    private(set) var request: ReadRequest
    private var file: ArrowFile
    /// For each of the request's columns, its place among the file's; nil if it isn't there.
    private let places: [Int?]
    private var columns: [ArrowColumn] = []

    init(_ bytes: ByteReader, _ layout: ArrowWriter.Layout, _ request: ReadRequest) throws(TableError) {
        var request = request
        file = try ArrowFile(bytes, layout, name: request.name)
        let names = file.fields.map(\.name)
        request.add { names.contains($0) }
        try request.require(names, in: "schema", line: nil)
        if !request.schema.keepsAll { file.read(only: Set(request.schema.columns.map(\.name))) }
        places = request.schema.columns.map { column in names.firstIndex(of: column.name) }
        self.request = request
    }

    var absent: [String] { zip(request.schema.columns, places).filter { $1 == nil }.map(\.0.name) }

    /// The next batch that has rows; if all columns are kept, all batches as one.
    mutating func next(_ limit: Int) throws(TableError) -> Table? {
        if request.schema.keepsAll { return try whole() }
        let before = file.rowCount
        while let (columns, rowCount) = try file.next() {
            if rowCount > 0 { return try table(columns, rowCount, before: before) }
        }
        return nil
    }

    func kept() -> [PassedColumn] { zip(file.fields, columns).map { PassedColumn($0, $1) } }

    private mutating func whole() throws(TableError) -> Table? {
        var batches: [[ArrowColumn]] = []
        while let (columns, _) = try file.next() { batches.append(columns) }
        guard columns.isEmpty else { return nil }
        for (index, field) in file.fields.enumerated() {
            let pieces = batches.map { $0[index] }
            columns.append(try TableError.explaining(request.name) { try field.joined(pieces) })
            for batch in batches.indices { batches[batch][index] = .absent }
        }
        return try table(columns, file.rowCount, before: 0)
    }

    private func table(_ columns: [ArrowColumn], _ rowCount: Int, before: Int) throws(TableError) -> Table {
        var table = Table(rowCount: rowCount)
        for (index, (column, place)) in zip(request.schema.columns, places).enumerated() {
            guard let place else {
                table.append(column.name, Column(repeating: .null, type: column.type, count: rowCount))
                continue
            }
            let values = try ArrowFile.typed(
                file.fields[place], columns[place], column.type, epoch: request.options.epoch, name: request.name,
                before: before)
            if request.schema.notNull.contains(column.name), let row = values.validity?.firstIndex(of: false) {
                throw request.null(index, row: before + row + 1)
            }
            table.append(column.name, values)
        }
        return table
    }
}
