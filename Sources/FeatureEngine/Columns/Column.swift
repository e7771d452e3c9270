public import FeatureLanguage

/// Values of one type, one after another, any of which may be NULL.
public struct Column: Sendable {
    /// The values in their physical layout; the column's type says what they mean.
    public enum Values: Sendable {
        case bits([Bool])
        case words([Int64])
        case floats([Double])
        case bytes(StringColumn)

        /// Which of the four layouts the values have.
        public var layout: PhysicalLayout {
            switch self {
            case .bits: .bits
            case .words: .words
            case .floats: .floats
            case .bytes: .bytes
            }
        }
    }

    /// The logical type, which says what the values mean.
    public let type: ValueType
    /// Always in the layout of the type.
    public private(set) var values: Values
    /// False where a value is NULL; nil if none is. What `values` holds at a NULL means nothing.
    public var validity: [Bool]?

    /// - Parameters:
    ///   - values: in the layout of the type.
    ///   - validity: one flag for each value; nil if none is NULL.
    public init(_ type: ValueType, _ values: Values, validity: [Bool]? = nil) {
        precondition(values.layout == type.layout, "another layout than that of \(type.rawValue)")
        self.type = type
        self.values = values
        self.validity = validity
    }

    /// A column of a type laid out as bits.
    public init(_ type: ValueType, _ values: [Bool], validity: [Bool]? = nil) {
        self.init(type, .bits(values), validity: validity)
    }
    /// A column of a type laid out as words; a timestamp's are microseconds since 1970.
    public init(_ type: ValueType, _ values: [Int64], validity: [Bool]? = nil) {
        self.init(type, .words(values), validity: validity)
    }
    /// A column of a type laid out as floats.
    public init(_ type: ValueType, _ values: [Double], validity: [Bool]? = nil) {
        self.init(type, .floats(values), validity: validity)
    }
    /// A column of a type laid out as bytes.
    public init(_ type: ValueType, _ values: StringColumn, validity: [Bool]? = nil) {
        self.init(type, .bytes(values), validity: validity)
    }

    /// The number of rows, NULLs included.
    public var count: Int {
        switch values {
        case .bits(let values): values.count
        case .words(let values): values.count
        case .floats(let values): values.count
        case .bytes(let values): values.count
        }
    }

    /// Roughly how many bytes of memory it takes up.
    public var bytes: Int {
        let values =
            switch values {
            case .bits(let values): values.count
            case .words(let values): values.count * 8
            case .floats(let values): values.count * 8
            case .bytes(let values): values.bytes.count + values.offsets.count * 8
            }
        return values + (validity?.count ?? 0)
    }

    /// Whether the value at `row`, counted from 0, is NULL.
    public func isNull(_ row: Int) -> Bool {
        if let validity { !validity[row] } else { false }
    }

    /// One value, for the edges of the program: hot loops read `values`.
    public subscript(row: Int) -> Literal {
        if isNull(row) { return .null }
        return switch values {
        case .bits(let values): .bool(values[row])
        case .words(let values): type.rules.literal(word: values[row])
        case .floats(let values): .float64(values[row])
        case .bytes(let values): .string(values[row])
        }
    }

    /// A column of one value, repeated `count` times.
    public init(repeating literal: Literal, type: ValueType, count: Int) {
        var builder = ColumnBuilder(type)
        for _ in 0..<count { builder.append(literal) }
        self = builder.finish()
    }

    /// These values, followed by those of another column of the same type.
    public func followed(by other: Column) -> Column { Column(concatenating: [self, other]) }

    /// The values of several columns of one type, one column after another; there must be at least one.
    public init(concatenating columns: [Column]) {
        precondition(!columns.isEmpty, "no type without a column")
        if columns.count == 1 {
            self = columns[0]
            return
        }
        let validity =
            columns.contains { $0.validity != nil }
            ? columns.flatMap { $0.validity ?? Array(repeating: true, count: $0.count) } : nil
        let values: Values =
            switch columns[0].values {
            case .bits: .bits(columns.flatMap(\.bools))
            case .words: .words(columns.flatMap(\.integers))
            case .floats: .floats(columns.flatMap(\.floats))
            case .bytes: .bytes(StringColumn(concatenating: columns.map(\.texts)))
            }
        self.init(columns[0].type, values, validity: validity)
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
        func pick<T>(_ values: [T], _ none: T) -> [T] {
            hasNone ? rows.map { $0 < 0 ? none : values[Int($0)] } : values.picked(rows)
        }
        let picked: Values =
            switch values {
            case .bits(let values): .bits(pick(values, false))
            case .words(let values): .words(pick(values, 0))
            case .floats(let values): .floats(pick(values, 0))
            case .bytes(let values): .bytes(values.gathered(rows))
            }
        return Column(type, picked, validity: validity)
    }
}

/// Texts as UTF-8 in one run of bytes: text `i` is `bytes[offsets[i]..<offsets[i + 1]]`.
public struct StringColumn: Sendable {
    /// Where each text begins in `bytes`, and where the last one ends: one entry more than there are texts.
    public var offsets: [Int] = [0]
    /// The texts' UTF-8, one after another, with nothing in between.
    public var bytes: [UInt8] = []

    public init() {}

    init(concatenating parts: [StringColumn]) {
        self = parts[0]
        for part in parts.dropFirst() { append(part) }
    }

    /// The number of texts.
    public var count: Int { offsets.count - 1 }

    /// The text at `row`; bytes that aren't UTF-8 come out as U+FFFD.
    public subscript(row: Int) -> String { String(decoding: bytes[range(row)], as: UTF8.self) }

    /// Where the text at `row` lies in `bytes`.
    public func range(_ row: Int) -> Range<Int> { offsets[row]..<offsets[row + 1] }

    /// Appends a text as the next row.
    public mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        offsets.append(bytes.count)
    }

    /// Appends a text as the next row, without checking that it is UTF-8.
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

    /// Compares bytes, which for UTF-8 compares code points: −1, 0 or 1.
    func compare(_ left: Int, _ other: StringColumn, _ right: Int) -> Int {
        let a = range(left), b = other.range(right)
        for (x, y) in zip(bytes[a], other.bytes[b]) where x != y { return x < y ? -1 : 1 }
        return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
    }
}

/// Takes values one by one and turns them into a column.
public struct ColumnBuilder: Sendable {
    /// The type of the column being built.
    public let type: ValueType
    /// The type's layout, which decides what may be appended.
    public let layout: PhysicalLayout
    private var bools: [Bool] = []
    private var integers: [Int64] = []
    private var floats: [Double] = []
    private var strings = StringColumn()
    private var validity: [Bool] = []
    private var hasNull = false

    /// Begins with no values.
    public init(_ type: ValueType) {
        self.type = type
        layout = type.layout
    }

    /// How many values have been appended, NULLs included.
    public var count: Int { validity.count }

    /// Roughly how many bytes of memory it takes up.
    public var bytes: Int {
        validity.count + bools.count + integers.count * 8 + floats.count * 8 + strings.bytes.count + strings.offsets
            .count * 8
    }

    /// Makes room for this many rows in all.
    public mutating func reserve(_ rows: Int) {
        validity.reserveCapacity(rows)
        switch layout {
        case .bits: bools.reserveCapacity(rows)
        case .words: integers.reserveCapacity(rows)
        case .floats: floats.reserveCapacity(rows)
        case .bytes: strings.offsets.reserveCapacity(rows + 1)
        }
    }

    /// Appends a NULL.
    public mutating func appendNull() {
        hasNull = true
        validity.append(false)
        switch layout {
        case .bits: bools.append(false)
        case .words: integers.append(0)
        case .floats: floats.append(0)
        case .bytes: strings.offsets.append(strings.bytes.count)
        }
    }

    /// Appends a bool.
    public mutating func append(_ value: Bool) {
        validity.append(true)
        bools.append(value)
    }

    /// Appends a word: an int64, or a timestamp's microseconds since 1970.
    public mutating func append(_ value: Int64) {
        validity.append(true)
        integers.append(value)
    }

    /// Appends a float64.
    public mutating func append(_ value: Double) {
        validity.append(true)
        floats.append(value)
    }

    /// Appends a text's UTF-8, without checking it.
    public mutating func append(bytes text: some Sequence<UInt8>) {
        validity.append(true)
        strings.append(bytes: text)
    }

    /// Appends a value of the builder's type, or NULL.
    public mutating func append(_ literal: Literal) {
        guard let type = literal.type else { return appendNull() }
        precondition(type == self.type, "a \(type.rawValue) in a column of \(self.type.rawValue)")
        switch literal {
        case .null: appendNull()
        case .bool(let value): append(value)
        case .float64(let bits): append(Double(bitPattern: bits))
        case .string(let text): append(bytes: text.utf8)
        case .int64, .timestamp: append(type.rules.word(literal) ?? 0)
        }
    }

    /// Returns the column and begins again with no values.
    public mutating func finish() -> Column {
        let values: Column.Values =
            switch layout {
            case .bits: .bits(bools)
            case .words: .words(integers)
            case .floats: .floats(floats)
            case .bytes: .bytes(strings)
            }
        let column = Column(type, values, validity: hasNull ? validity : nil)
        self = ColumnBuilder(type)
        return column
    }
}

extension ColumnBuilder {
    /// Whether the value appended last is NULL.
    public var isLastNull: Bool { validity.last == false }
}
