public import FeatureLanguage

/// Takes values one by one and turns them into a column.
public struct ColumnBuilder: Sendable {
    /// The type of the column being built.
    public let type: ValueType
    /// The type's layout, which decides what may be appended.
    public let layout: PhysicalLayout
    private var bools: [Bool] = []
    private var integers: [Int64] = []
    private var floats: [Double] = []
    private var wides: [Int128] = []
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
        validity.count + bools.count + (integers.count + floats.count) * 8 + wides.count * 16 + strings.bytes.count
            + strings.offsets.count * 8
    }

    /// Makes room for this many rows in all.
    public mutating func reserve(_ rows: Int) {
        validity.reserveCapacity(rows)
        switch layout {
        case .bits: bools.reserveCapacity(rows)
        case .words: integers.reserveCapacity(rows)
        case .floats: floats.reserveCapacity(rows)
        case .wides: wides.reserveCapacity(rows)
        case .bytes, .packed: strings.offsets.reserveCapacity(rows + 1)
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
        case .wides: wides.append(0)
        case .bytes, .packed: strings.offsets.append(strings.bytes.count)
        }
    }

    /// Appends a bool.
    public mutating func append(_ value: Bool) {
        validity.append(true)
        bools.append(value)
    }

    /// Appends a word: an int64, a timestamp's microseconds since 1970, or a date's days.
    public mutating func append(_ value: Int64) {
        validity.append(true)
        integers.append(value)
    }

    /// Appends a float64.
    public mutating func append(_ value: Double) {
        validity.append(true)
        floats.append(value)
    }

    /// Appends a decimal: its digits, at the scale of the builder's type, as a whole number.
    public mutating func append(_ value: Int128) {
        validity.append(true)
        wides.append(value)
    }

    /// Appends a text's UTF-8, or a list or vector as it is packed, without checking it.
    public mutating func append(bytes text: some Sequence<UInt8>) {
        validity.append(true)
        strings.append(bytes: text)
    }

    /// Appends a value of the builder's type, or NULL.
    public mutating func append(_ literal: Literal) {
        guard let type = literal.type else { return appendNull() }
        precondition(type == self.type, "a \(type.rawValue) in a column of \(self.type.rawValue)")
        if case .bool(let value) = literal {
            append(value)
        } else if case .float64(let bits) = literal {
            append(Double(bitPattern: bits))
        } else if case .string(let text) = literal {
            append(bytes: text.utf8)
        } else if type.isPacked {
            append(bytes: literal.packed)
        } else if case .decimal(let value) = literal {
            append(value.unscaled)
        } else {
            append(type.rules.word(literal) ?? 0)
        }
    }

    /// Returns the column and begins again with no values.
    public mutating func finish() -> Column {
        let values: Column.Values =
            switch layout {
            case .bits: .bits(bools)
            case .words: .words(integers)
            case .floats: .floats(floats)
            case .wides: .wides(wides)
            case .bytes: .bytes(strings)
            case .packed: .packed(strings)
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
