package import FeatureLanguage

/// A list as it lies in a column, which is how digests hash it:
///
///     list     u64 elements  validity bits (least significant first, padded with zeros)  element…
///     element  bool 1 byte · int64, float64, timestamp, date 8 bytes · decimal 16 bytes
///              · string u64 length, UTF-8; zeros and no text where NULL
///
/// Numbers are little-endian; every NaN is 0x7FF8000000000000. A vector is only its components, 4 bytes each.
struct PackedList: Sequence {
    /// An element, by its layout.
    enum Element: Sendable {
        case null
        case bit(Bool)
        case word(Int64)
        case float(Double)
        case wide(Int128)
        case text(ArraySlice<UInt8>)
    }

    let count: Int
    private let bytes: ArraySlice<UInt8>
    private let layout: PhysicalLayout

    init(_ bytes: ArraySlice<UInt8>, _ element: ScalarType) {
        self.bytes = bytes
        layout = element.type.layout
        count = Int(bytes.number(at: 0))
    }

    /// Where the elements begin.
    private var start: Int { 8 + (count + 7) / 8 }

    private func isNull(_ index: Int) -> Bool {
        bytes[bytes.startIndex + 8 + index / 8] >> UInt8(index % 8) & 1 == 0
    }

    /// The element at a place, counted from 0, that begins at a byte.
    fileprivate func element(_ index: Int, at place: Int) -> Element {
        if isNull(index) { return .null }
        return switch layout {
        case .bits: .bit(bytes[bytes.startIndex + place] != 0)
        case .words: .word(Int64(bitPattern: bytes.number(at: place)))
        case .floats: .float(Double(bitPattern: bytes.number(at: place)))
        case .wides:
            .wide(Int128(littleEndianBytes: bytes[bytes.startIndex + place..<bytes.startIndex + place + 16]))
        case .bytes:
            .text(bytes[(bytes.startIndex + place + 8)...].prefix(Int(bytes.number(at: place))))
        case .packed: preconditionFailure("a list of lists")
        }
    }

    /// Bytes of the element that begins at a byte.
    fileprivate func width(at place: Int) -> Int {
        layout.packedWidth ?? 8 + Int(bytes.number(at: place))
    }

    /// The element at a place, counted from 1 as in SQL; NULL outside.
    subscript(place: Int64) -> Element {
        guard place >= 1, place <= count else { return .null }
        let index = Int(place - 1)
        if let width = layout.packedWidth { return element(index, at: start + index * width) }
        var at = start
        for _ in 0..<index { at += width(at: at) }
        return element(index, at: at)
    }

    func makeIterator() -> Iterator { Iterator(list: self, at: start) }

    struct Iterator: IteratorProtocol {
        fileprivate let list: PackedList
        private var index = 0
        private var place: Int

        fileprivate init(list: PackedList, at place: Int) {
            self.list = list
            self.place = place
        }

        mutating func next() -> Element? {
            guard index < list.count else { return nil }
            let element = list.element(index, at: place)
            index += 1
            place += list.width(at: place)
            return element
        }
    }
}

extension PackedList.Element {
    /// A column's value.
    init(_ column: Column, _ row: Int) {
        if column.isNull(row) {
            self = .null
            return
        }
        self =
            switch column.values {
            case .bits(let values): .bit(values[row])
            case .words(let values): .word(values[row])
            case .floats(let values): .float(values[row])
            case .wides(let values): .wide(values[row])
            case .bytes(let values): .text(values.bytes[values.range(row)])
            case .packed: preconditionFailure("a list of lists")
            }
    }

    /// −1, 0 or 1, by PostgreSQL's order of elements: NULL is above all and equal to itself.
    ///
    /// - Parameter isTotal: whether −0.0 is below 0.0.
    func order(_ other: PackedList.Element, isTotal: Bool = false) -> Int {
        func compare<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a == b ? 0 : 1 }
        return switch (self, other) {
        case (.null, .null): 0
        case (.null, _): 1
        case (_, .null): -1
        case (.bit(let a), .bit(let b)): compare(a ? 1 : 0, b ? 1 : 0)
        case (.word(let a), .word(let b)): compare(a, b)
        case (.float(let a), .float(let b)):
            isTotal ? compare(a.totalOrderKey, b.totalOrderKey) : FeatureEngine.compare(a, b)
        case (.wide(let a), .wide(let b)): compare(a, b)
        case (.text(let a), .text(let b)):
            a.elementsEqual(b) ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
        case (.bit, _), (.word, _), (.float, _), (.wide, _), (.text, _): preconditionFailure("elements of two types")
        }
    }
}

extension ColumnBuilder {
    /// Appends a list of these elements.
    package mutating func append(list elements: Column) {
        append(bytes: Column(listsOf: elements, ends: [0, elements.count]).packs.bytes)
    }

    /// Appends an element of a list as a value of its own.
    mutating func append(_ element: PackedList.Element) {
        switch element {
        case .null: appendNull()
        case .bit(let value): append(value)
        case .word(let value): append(value)
        case .float(let value): append(value)
        case .wide(let value): append(value)
        case .text(let text): append(bytes: text)
        }
    }
}

extension StringColumn {
    /// Compares two lists as PostgreSQL compares arrays: element by element, and then by their lengths.
    ///
    /// - Parameter isTotal: whether −0.0 is below 0.0.
    func compareLists(_ left: Int, _ other: StringColumn, _ right: Int, _ type: ValueType, isTotal: Bool = false) -> Int
    {
        guard case .list(let element) = type else { preconditionFailure("an order of \(type.rawValue)") }
        let a = range(left), b = other.range(right)
        // Where a value is NULL, nothing is there.
        if a.isEmpty || b.isEmpty { return a.isEmpty == b.isEmpty ? 0 : a.isEmpty ? -1 : 1 }
        let one = PackedList(bytes[a], element), two = PackedList(other.bytes[b], element)
        for (x, y) in zip(one, two) {
            let order = x.order(y, isTotal: isTotal)
            if order != 0 { return order }
        }
        return one.count == two.count ? 0 : one.count < two.count ? -1 : 1
    }
}

extension Column {
    /// Lists: the first `ends[0]` to `ends[1]` of the elements, and so on.
    ///
    /// - Parameters:
    ///   - elements: of a type that lists can have.
    ///   - ends: one entry more than there are lists, ascending; a NULL list has no elements.
    public init(listsOf elements: Column, ends: [Int], validity: [Bool]? = nil) {
        guard let element = ScalarType(elements.type) else { preconditionFailure("a list of lists") }
        var lists = StringColumn(), valid = elements.validity
        lists.offsets.reserveCapacity(ends.count)
        if valid == nil { valid = Array(repeating: true, count: elements.count) }
        for row in 0..<ends.count - 1 {
            if validity?[row] ?? true { lists.bytes.append(list: elements, ends[row]..<ends[row + 1], valid!) }
            lists.offsets.append(lists.bytes.count)
        }
        self.init(.list(element), .packed(lists), validity: validity)
    }

    /// The elements of lists, one list after another, and where each ends, after a 0.
    public func unpacked() -> (ends: [Int], elements: Column) {
        guard case .list(let element) = type else { preconditionFailure("the elements of \(type.rawValue)") }
        var builder = ColumnBuilder(element.type), ends = [0]
        ends.reserveCapacity(count + 1)
        for row in 0..<count {
            if !isNull(row) { for item in PackedList(packs.bytes[packs.range(row)], element) { builder.append(item) } }
            ends.append(builder.count)
        }
        return (ends, builder.finish())
    }

    /// The components of vectors, one vector after another, zeros where one is NULL.
    package var components: [Float] {
        guard case .vector(let count) = type else { preconditionFailure("the components of \(type.rawValue)") }
        var components: [Float] = []
        components.reserveCapacity(self.count * count)
        for row in 0..<self.count {
            if isNull(row) {
                components += repeatElement(0, count: count)
            } else {
                components += packs.bytes[packs.range(row)].floats
            }
        }
        return components
    }
}

extension [UInt8] {
    /// Appends a list of some rows' values.
    fileprivate mutating func append(list elements: Column, _ rows: Range<Int>, _ validity: [Bool]) {
        append(littleEndian: UInt64(rows.count))
        self += validity.packed(rows)
        for row in rows {
            let isNull = !validity[row]
            switch elements.values {
            case .bits(let values): append(!isNull && values[row] ? 1 : 0)
            case .words(let values): append(littleEndian: isNull ? 0 : values[row])
            case .floats(let values):
                let value = isNull ? 0 : values[row]
                append(littleEndian: (value.isNaN ? Double.nan : value).bitPattern)
            case .wides(let values): append(littleEndian: isNull ? 0 : values[row])
            case .bytes(let values):
                let range = isNull ? 0..<0 : values.range(row)
                append(littleEndian: UInt64(range.count))
                self += values.bytes[range]
            case .packed: preconditionFailure("a list of lists")
            }
        }
    }
}

extension Literal {
    /// A list or vector of a column.
    package init(packed bytes: ArraySlice<UInt8>, _ type: ValueType) {
        guard case .list(let element) = type else {
            self = .vector(bytes.floats)
            return
        }
        var builder = ColumnBuilder(element.type)
        for item in PackedList(bytes, element) { builder.append(item) }
        let elements = builder.finish()
        self = .list(ListValue(element, (0..<elements.count).map { elements[$0] }))
    }

    /// The bytes of a list or vector in a column.
    var packed: [UInt8] {
        var bytes: [UInt8] = []
        if case .vector(let components) = self {
            for component in components { bytes.append(littleEndian: component.bitPattern) }
        } else if case .list(let list) = self {
            var builder = ColumnBuilder(list.element.type)
            for item in list.items { builder.append(item) }
            let elements = builder.finish()
            bytes.append(
                list: elements, 0..<elements.count,
                elements.validity ?? Array(repeating: true, count: elements.count))
        }
        return bytes
    }
}

extension ValueType {
    /// How many zeros stand in a digest for a NULL of a packed type.
    var packedZeros: Int { if case .vector(let count) = self { 4 * count } else { 8 } }
}

extension PhysicalLayout {
    /// Bytes of an element of a list; nil if they vary.
    fileprivate var packedWidth: Int? {
        switch self {
        case .bits: 1
        case .words, .floats: 8
        case .wides: 16
        case .bytes, .packed: nil
        }
    }
}

extension ArraySlice<UInt8> {
    /// The eight bytes from a place on, least significant first.
    fileprivate func number(at place: Int) -> UInt64 {
        precondition(place + 8 <= count, "a list that is cut")
        return unsafe withUnsafeBytes {
            unsafe UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        }
    }

    /// The float32s that these bytes are.
    fileprivate var floats: [Float] {
        unsafe withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map {
                unsafe Float(
                    bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
    }
}
