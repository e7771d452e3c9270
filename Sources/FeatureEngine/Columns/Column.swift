public import FeatureLanguage

/// Values of one type, one after another, any of which may be NULL.
public struct Column: Sendable {
    /// The values in their physical layout; the column's type says what they mean.
    public enum Values: Sendable {
        case bits([Bool])
        case words([Int64])
        case floats([Double])
        case wides([Int128])
        case bytes(StringColumn)
        case packed(StringColumn)

        /// Which layout the values have.
        public var layout: PhysicalLayout {
            switch self {
            case .bits: .bits
            case .words: .words
            case .floats: .floats
            case .wides: .wides
            case .bytes: .bytes
            case .packed: .packed
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
    /// A column of a type laid out as wide words: a decimal's digits as whole numbers.
    public init(_ type: ValueType, _ values: [Int128], validity: [Bool]? = nil) {
        self.init(type, .wides(values), validity: validity)
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
        case .wides(let values): values.count
        case .bytes(let values), .packed(let values): values.count
        }
    }

    /// Roughly how many bytes of memory it takes up.
    public var bytes: Int {
        let values =
            switch values {
            case .bits(let values): values.count
            case .words(let values): values.count * 8
            case .floats(let values): values.count * 8
            case .wides(let values): values.count * 16
            case .bytes(let values), .packed(let values): values.bytes.count + values.offsets.count * 8
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
        case .wides(let values): .decimal(DecimalValue(values[row], of: type))
        case .bytes(let values): .string(values[row])
        case .packed(let values): Literal(packed: values.bytes[values.range(row)], type)
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
            case .wides: .wides(columns.flatMap(\.wides))
            case .bytes: .bytes(StringColumn(concatenating: columns.map(\.texts)))
            case .packed: .packed(StringColumn(concatenating: columns.map(\.packs)))
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
            case .wides(let values): .wides(pick(values, 0))
            case .bytes(let values): .bytes(values.gathered(rows))
            case .packed(let values): .packed(values.gathered(rows))
            }
        return Column(type, picked, validity: validity)
    }
}
