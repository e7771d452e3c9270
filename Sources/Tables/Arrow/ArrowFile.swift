internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// Arrow batches of a file or of memory, with errors worded as for files.
struct ArrowFile {
    private var reader: ArrowReader
    let name: String
    private let bytes: ByteReader
    var fields: [ArrowField] { reader.fields }
    /// Rows handed out so far.
    private(set) var rowCount = 0

    init(_ bytes: ByteReader, _ layout: ArrowWriter.Layout, name: String) throws(TableError) {
        self.name = name
        self.bytes = bytes
        reader = try TableError.explaining(name) {
            try ArrowReader(
                layout, maximumBytes: bytes.maximumBytes, maximumBatch: bytes.maximumBatch,
                maximumRows: bytes.maximumRows
            ) {
                try bytes.next()
            }
        }
    }

    /// Skips all columns but these.
    mutating func read(only names: Set<String>) { reader.read(only: { names.contains($0.name) }) }

    /// The next batch; nil at the end.
    mutating func next() throws(TableError) -> (columns: [ArrowColumn], rowCount: Int)? {
        var reader = reader
        let batch = try bytes.explainingBounds { () throws(TableError) in
            try TableError.explaining(name) { try reader.next() }
        }
        self.reader = reader
        if let batch { rowCount += batch.rowCount }
        return batch
    }

    /// A column of the batch handed out last, as a type of ours.
    ///
    /// - Parameter epoch: reads integers as times in that unit since 1970.
    static func typed(
        _ field: ArrowField, _ column: ArrowColumn, _ type: ValueType, epoch: Epoch?, name: String, before: Int = 0
    ) throws(TableError) -> Column {
        var (field, column) = (field, column)
        if type == .timestamp {
            (field, column) = try TableError.explaining(name) { [field, column] in try field.plain(column) }
            if case .flat(let texts) = column, [.utf8, .largeUtf8, .utf8View].contains(field.type),
                case .bytes(let bytes) = texts.values
            {
                return try times(bytes, texts, field.name, name, before)
            }
            if let epoch, case .flat = column {
                if case .float = field.type {
                    column = .flat(
                        try TableError.explaining(name, rowsBefore: before) { [field, column] in
                            try field.values(column, as: .int64)
                        })
                    field.type = .integer(bits: 64, isSigned: true)
                }
                if case .integer(_, isSigned: true) = field.type { field.type = .timestamp(epoch.unit, zone: "UTC") }
            }
        }
        let typed = try TableError.explaining(name, rowsBefore: before) { [field, column] in
            try field.values(column, as: type)
        }
        if case .bytes(let texts) = typed.values, texts.bytes.contains(0) {
            throw TableError(
                file: name, column: field.name, message: "holds a text with NUL", advice: "texts are UTF-8 without NUL")
        }
        return typed
    }
}

extension ArrowFile {
    /// Reads times that are texts, as in CSV.
    private static func times(_ texts: StringColumn, _ column: Column, _ name: String, _ file: String, _ before: Int)
        throws(TableError) -> Column
    {
        var builder = ColumnBuilder(.timestamp)
        for row in 0..<texts.count {
            if column.isNull(row) {
                builder.appendNull()
            } else if let instant = Instant(incoming: texts.bytes[texts.range(row)].span) {
                builder.append(instant.microseconds)
            } else {
                throw TableError(
                    file: file, column: name, message: "is not a timestamp in row \(before + row + 1)",
                    advice: FieldParser.timeAdvice)
            }
        }
        return builder.finish()
    }
}

extension Epoch {
    fileprivate var unit: ArrowType.TimeUnit {
        switch self {
        case .seconds: .second
        case .milliseconds: .millisecond
        case .microseconds: .microsecond
        }
    }
}

extension TableError {
    /// Runs code that reads Arrow, and turns its errors into ones about a file.
    ///
    /// - Parameter rowsBefore: how many of the file's rows come before those at hand.
    package static func explaining<T>(_ file: String, rowsBefore: Int = 0, _ body: () throws -> T) throws(TableError)
        -> T
    {
        do {
            return try body()
        } catch let error as TableError {
            throw error
        } catch let error as ArrowError {
            throw TableError(
                file: file, column: error.column,
                message: error.message + (error.row.map { " in row \($0 + rowsBefore)" } ?? ""), advice: error.advice,
                isTooMuch: error.isTooMuch)
        } catch {
            throw TableError(file: file, message: "\(error)")
        }
    }
}
