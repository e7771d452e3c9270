internal import FeatureEngine
internal import FeatureLanguage

/// Every aggregate's value for each entity; an entity's values lie side by side.
struct ValueTable {
    /// Whether 64 bits hold an aggregate's values.
    private let fitsWord: [Bool]
    /// Whether some aggregate's values are lists or vectors, which may lie among the entity's rows.
    let hasPacked: Bool
    private var words: [UInt64] = []
    private var isNull: [Bool] = []
    /// By aggregate and then by entity, the values that no word holds: texts, lists and vectors, and decimals as
    /// sixteen bytes. Empty for aggregates of other types, and for a value that lies among the entity's rows: `latest`
    /// of an embedding is kept once. Its word says where.
    private var texts: [[[UInt8]]]

    init(_ types: [ValueType]) {
        fitsWord = types.map { $0.layout.isFixed && $0.layout != .wides }
        texts = types.map { _ in [] }
        hasPacked = types.contains(where: \.isPacked)
    }

    private static let isElsewhere = UInt64.max

    mutating func grow() {
        for (index, fits) in fitsWord.enumerated() {
            words.append(0)
            isNull.append(true)
            if !fits { texts[index].append([]) }
        }
    }

    /// - Parameter rows: the entity's, which stay as they are until its values are set again.
    mutating func set(_ place: Int, _ index: Int, _ column: Column, _ row: Int, _ rows: EntityRows) {
        let cell = place * fitsWord.count + index
        isNull[cell] = column.isNull(row)
        switch column.values {
        case .bits(let values): words[cell] = values[row] ? 1 : 0
        case .words(let values): words[cell] = UInt64(bitPattern: values[row])
        case .floats(let values): words[cell] = values[row].bitPattern
        case .wides(let values):
            texts[index][place].removeAll(keepingCapacity: true)
            texts[index][place].append(littleEndian: values[row])
        case .bytes(let values): texts[index][place] = Array(values.bytes[values.range(row)])
        case .packed(let values):
            let value = values.bytes[values.range(row)]
            if let start = rows.bytes.start(of: value) {
                texts[index][place] = []
                words[cell] = UInt64(start) | UInt64(value.count) << 32
            } else {
                texts[index][place] = Array(value)
                words[cell] = ValueTable.isElsewhere
            }
        }
    }

    /// Whether a count is 0.
    func isZero(_ place: Int, _ index: Int) -> Bool { words[place * fitsWord.count + index] == 0 }

    /// A value that no word holds.
    private func text(_ place: Int, _ index: Int, _ rows: EntityRows) -> ArraySlice<UInt8> {
        let word = words[place * fitsWord.count + index]
        guard hasPacked, word != 0, word != ValueTable.isElsewhere else { return texts[index][place][...] }
        return rows.bytes[Int(word & 0xFFFF_FFFF)...].prefix(Int(word >> 32))
    }

    func copy(
        _ place: Int, _ rows: EntityRows, isFound: Bool, isStale: Bool, _ fields: [(field: Int, aggregate: Int)],
        _ row: Int,
        to cells: inout Cells
    ) {
        let first = place * fitsWord.count, target = row * cells.width
        let (value, null): (Cells.Kind, Cells.Kind) =
            isStale ? (.stale, .staleNull) : isFound ? (.present, .null) : (.notFound, .notFoundNull)
        for (field, aggregate) in fields {
            cells.kinds[target + field] = isNull[first + aggregate] ? null : value
            if !fitsWord[aggregate] {
                let text = text(place, aggregate, rows)
                cells.words[target + field] = UInt64(cells.texts.count) | UInt64(text.count) << 32
                cells.texts += text
            } else {
                cells.words[target + field] = words[first + aggregate]
            }
        }
    }

    func append(_ place: Int, _ index: Int, _ rows: EntityRows, to builder: inout ColumnBuilder) {
        let cell = place * fitsWord.count + index
        if isNull[cell] { return builder.appendNull() }
        switch builder.layout {
        case .bits: builder.append(words[cell] == 1)
        case .words: builder.append(Int64(bitPattern: words[cell]))
        case .floats: builder.append(Double(bitPattern: words[cell]))
        case .wides: builder.append(Int128(littleEndianBytes: texts[index][place][...]))
        case .bytes, .packed: builder.append(bytes: text(place, index, rows))
        }
    }
}

extension [UInt8] {
    /// Where these bytes begin within; nil if they don't occur. From the end, since the newest row is there.
    fileprivate func start(of part: ArraySlice<UInt8>) -> Int? {
        guard let first = part.first, part.count <= count else { return nil }
        return (0...count - part.count).last { self[$0] == first && self[$0..<$0 + part.count].elementsEqual(part) }
    }
}
