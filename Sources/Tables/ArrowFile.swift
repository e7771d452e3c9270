internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// Arrow batches of a file or of memory, with faults in the words of files.
struct ArrowFile {
    private var reader: ArrowReader
    let name: String
    var fields: [ArrowField] { reader.fields }
    /// Rows handed out so far.
    private(set) var rowCount = 0

    init(_ bytes: ByteReader, isStream: Bool, name: String) throws(TableError) {
        self.name = name
        reader = try TableError.explaining(name) { try ArrowReader(isStream ? .stream : .file, maximumBytes: bytes.maximumBytes) { try bytes.next() } }
        for (index, field) in reader.fields.enumerated() where reader.fields[..<index].contains(where: { $0.name == field.name }) {
            throw TableError(file: name, column: field.name, message: "stands twice in the schema")
        }
    }

    /// The next batch; nil at the end.
    mutating func next() throws(TableError) -> (columns: [Column], rowCount: Int)? {
        var reader = reader
        let batch = try TableError.explaining(name) { try reader.next() }
        self.reader = reader
        if let batch { rowCount += batch.rowCount }
        return batch
    }

    /// A column of the batch that was handed out last, as a type of ours.
    ///
    /// - Parameter epoch: reads integers as times in that unit since 1970.
    static func typed(_ field: ArrowField, _ column: Column, _ type: ValueType, epoch: Epoch?, name: String, before: Int = 0) throws(TableError) -> Column {
        var field = field
        if type == .timestamp, let epoch, case .integer(_, isSigned: true) = field.type { field.type = .timestamp(epoch.unit, zone: "UTC") }
        if type == .timestamp, case .string(let texts) = column.values { return try times(texts, column, field.name, name, before) }
        let typed = try TableError.explaining(name, rowsBefore: before) { try field.values(column, as: type) }
        if case .string(let texts) = typed.values, texts.bytes.contains(0) {
            throw TableError(file: name, column: field.name, message: "holds a text with NUL", advice: "texts are UTF-8 without NUL")
        }
        return typed
    }
}

extension ArrowFile {
    /// Times as text, as CSV has them.
    private static func times(_ texts: StringColumn, _ column: Column, _ name: String, _ file: String, _ before: Int) throws(TableError) -> Column {
        var builder = ColumnBuilder(.timestamp)
        for row in 0..<texts.count {
            if column.isNull(row) {
                builder.appendNull()
            } else if let instant = Instant(utf8: texts.bytes[texts.range(row)].span) {
                builder.append(instant.microseconds)
            } else {
                throw TableError(file: file, column: name, message: "is not a timestamp in row \(before + row + 1)", advice: "as in 2024-05-01T09:30:00Z")
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
    /// Runs what reads Arrow, and says of which file its faults are.
    ///
    /// - Parameter rowsBefore: rows of the file before those at hand.
    package static func explaining<T>(_ file: String, rowsBefore: Int = 0, _ body: () throws -> T) throws(TableError) -> T {
        do {
            return try body()
        } catch let error as TableError {
            throw error
        } catch let error as ArrowError {
            throw TableError(
                file: file, column: error.column, message: error.message + (error.row.map { " in row \($0 + rowsBefore)" } ?? ""), advice: error.advice)
        } catch {
            throw TableError(file: file, message: "\(error)")
        }
    }
}
