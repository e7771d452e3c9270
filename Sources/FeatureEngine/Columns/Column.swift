public import FeatureLanguage

/// Values of one type, one after the other, with a mark for each that is NULL.
public struct Column: Sendable {
    public enum Values: Sendable {
        case bool([Bool])
        case int64([Int64])
        case float64([Double])
        case string(StringColumn)
        /// Microseconds since 1970-01-01T00:00:00Z.
        case timestamp([Int64])
    }

    public var values: Values
    /// False where NULL; nil where nothing is. What `values` holds at a NULL means nothing.
    public var validity: [Bool]?

    public init(_ values: Values, validity: [Bool]? = nil) {
        self.values = values
        self.validity = validity
    }

    public var type: ValueType {
        switch values {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .timestamp: .timestamp
        }
    }

    public var count: Int {
        switch values {
        case .bool(let values): values.count
        case .int64(let values), .timestamp(let values): values.count
        case .float64(let values): values.count
        case .string(let values): values.count
        }
    }

    /// What it takes up, about.
    public var bytes: Int {
        let values =
            switch values {
            case .bool(let values): values.count
            case .int64(let values), .timestamp(let values): values.count * 8
            case .float64(let values): values.count * 8
            case .string(let values): values.bytes.count + values.offsets.count * 8
            }
        return values + (validity?.count ?? 0)
    }

    public func isNull(_ row: Int) -> Bool {
        if let validity { !validity[row] } else { false }
    }

    /// One value, for the edges of the program: hot loops read `values`.
    public subscript(row: Int) -> Literal {
        if isNull(row) { return .null }
        return switch values {
        case .bool(let values): .bool(values[row])
        case .int64(let values): .int64(values[row])
        case .float64(let values): .float64(values[row])
        case .string(let values): .string(values[row])
        case .timestamp(let values): .timestamp(Instant(microseconds: values[row]))
        }
    }

    /// `count` times the same value.
    public init(repeating literal: Literal, type: ValueType, count: Int) {
        var builder = ColumnBuilder(type)
        for _ in 0..<count { builder.append(literal) }
        self = builder.finish()
    }

    /// These values and then those of another column of the same type.
    public func followed(by other: Column) -> Column { Column(concatenating: [self, other]) }

    /// The values of several columns of one type, one column after the other.
    public init(concatenating columns: [Column]) {
        precondition(!columns.isEmpty, "no type without a column")
        if columns.count == 1 {
            self = columns[0]
            return
        }
        if columns.contains(where: { $0.validity != nil }) { validity = columns.flatMap { $0.validity ?? Array(repeating: true, count: $0.count) } }
        switch columns[0].values {
        case .bool: values = .bool(columns.flatMap(\.bools))
        case .int64: values = .int64(columns.flatMap(\.integers))
        case .timestamp: values = .timestamp(columns.flatMap(\.integers))
        case .float64: values = .float64(columns.flatMap(\.floats))
        case .string:
            var texts = columns[0].texts
            for column in columns.dropFirst() { texts.append(column.texts) }
            values = .string(texts)
        }
    }

    /// The values at `rows`, in that order; NULL where a row is negative.
    public func gathered(_ rows: [Int32]) -> Column {
        var validity: [Bool]?
        if let old = self.validity {
            validity = rows.map { $0 >= 0 && old[Int($0)] }
        } else if rows.contains(where: { $0 < 0 }) {
            validity = rows.map { $0 >= 0 }
        }
        let hasNone = validity != nil && rows.contains { $0 < 0 }
        func pick<T>(_ values: [T], _ none: T) -> [T] { hasNone ? rows.map { $0 < 0 ? none : values[Int($0)] } : values.picked(rows) }
        return switch values {
        case .bool(let values): Column(.bool(pick(values, false)), validity: validity)
        case .int64(let values): Column(.int64(pick(values, 0)), validity: validity)
        case .float64(let values): Column(.float64(pick(values, 0)), validity: validity)
        case .timestamp(let values): Column(.timestamp(pick(values, 0)), validity: validity)
        case .string(let values): Column(.string(values.gathered(rows)), validity: validity)
        }
    }
}

/// Texts as UTF-8 in one run of bytes: text `i` is `bytes[offsets[i]..<offsets[i + 1]]`.
public struct StringColumn: Sendable {
    public var offsets: [Int] = [0]
    public var bytes: [UInt8] = []

    public init() {}

    public var count: Int { offsets.count - 1 }

    public subscript(row: Int) -> String { String(decoding: bytes[range(row)], as: UTF8.self) }

    public func range(_ row: Int) -> Range<Int> { offsets[row]..<offsets[row + 1] }

    public mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        offsets.append(bytes.count)
    }

    public mutating func append(bytes text: some Sequence<UInt8>) {
        bytes.append(contentsOf: text)
        offsets.append(bytes.count)
    }

    mutating func append(_ other: StringColumn) {
        let start = bytes.count
        bytes += other.bytes
        offsets += other.offsets.dropFirst().map { $0 + start }
    }

    func gathered(_ rows: [Int32]) -> StringColumn {
        var result = StringColumn()
        result.offsets.reserveCapacity(rows.count + 1)
        for row in rows {
            if row >= 0 { result.bytes.append(contentsOf: bytes[range(Int(row))]) }
            result.offsets.append(result.bytes.count)
        }
        return result
    }

    /// Order of the bytes, which for UTF-8 is that of the code points.
    func compare(_ left: Int, _ other: StringColumn, _ right: Int) -> Int {
        let a = range(left), b = other.range(right)
        for (x, y) in zip(bytes[a], other.bytes[b]) where x != y { return x < y ? -1 : 1 }
        return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
    }
}

/// Takes values one by one and becomes a column.
public struct ColumnBuilder: Sendable {
    public let type: ValueType
    private var bools: [Bool] = []
    private var integers: [Int64] = []
    private var floats: [Double] = []
    private var strings = StringColumn()
    private var validity: [Bool] = []
    private var hasNull = false

    public init(_ type: ValueType) {
        self.type = type
    }

    public var count: Int { validity.count }

    /// What it takes up, about.
    public var bytes: Int { validity.count + bools.count + integers.count * 8 + floats.count * 8 + strings.bytes.count + strings.offsets.count * 8 }

    public mutating func reserve(_ rows: Int) {
        validity.reserveCapacity(rows)
        switch type {
        case .bool: bools.reserveCapacity(rows)
        case .int64, .timestamp: integers.reserveCapacity(rows)
        case .float64: floats.reserveCapacity(rows)
        case .string: strings.offsets.reserveCapacity(rows + 1)
        }
    }

    public mutating func appendNull() {
        hasNull = true
        validity.append(false)
        switch type {
        case .bool: bools.append(false)
        case .int64, .timestamp: integers.append(0)
        case .float64: floats.append(0)
        case .string: strings.offsets.append(strings.bytes.count)
        }
    }

    public mutating func append(_ value: Bool) {
        validity.append(true)
        bools.append(value)
    }

    /// An int64, or the microseconds of a timestamp.
    public mutating func append(_ value: Int64) {
        validity.append(true)
        integers.append(value)
    }

    public mutating func append(_ value: Double) {
        validity.append(true)
        floats.append(value)
    }

    public mutating func append(bytes text: some Sequence<UInt8>) {
        validity.append(true)
        strings.append(bytes: text)
    }

    /// A value of the builder's type, or NULL.
    public mutating func append(_ literal: Literal) {
        switch (literal, type) {
        case (.bool(let value), .bool): append(value)
        case (.int64(let value), .int64): append(value)
        case (.float64(let bits), .float64): append(Double(bitPattern: bits))
        case (.string(let text), .string): append(bytes: text.utf8)
        case (.timestamp(let instant), .timestamp): append(instant.microseconds)
        default:
            precondition(literal == .null, "a \(literal) in a column of \(type.rawValue)")
            appendNull()
        }
    }

    public mutating func finish() -> Column {
        let values: Column.Values =
            switch type {
            case .bool: .bool(bools)
            case .int64: .int64(integers)
            case .float64: .float64(floats)
            case .string: .string(strings)
            case .timestamp: .timestamp(integers)
            }
        let column = Column(values, validity: hasNull ? validity : nil)
        self = ColumnBuilder(type)
        return column
    }
}

extension ColumnBuilder {
    /// Whether the value appended last is NULL.
    public var isLastNull: Bool { validity.last == false }
}
