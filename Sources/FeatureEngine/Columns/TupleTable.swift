internal import FeatureLanguage

/// Numbers the distinct tuples of some columns: entities by their keys, facts by their ids.
///
/// Open addressing with linear probing over a power of two of slots, at most half full. Tuples are compared column by
/// column, never concatenated, and floats by value, so that −0.0 equals 0.0 and NaN equals itself. A tuple with a NULL
/// has no number (−1).
struct TupleTable {
    private let keys: [TupleColumn]
    private var slots: [Int32]
    /// The first row of each tuple.
    private(set) var representatives: [Int32] = []
    /// The number of each row's tuple.
    private(set) var numbers: [Int32] = []

    /// - Parameters:
    ///   - columns: the parts of the tuples; without any, every row is the one empty tuple.
    ///   - count: the number of rows.
    init(_ columns: [Column], count: Int) {
        keys = columns.map { TupleColumn($0) }
        var capacity = 16
        while capacity < count * 2 { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        numbers.reserveCapacity(count)
        for row in 0..<count {
            guard let hash = TupleColumn.hash(keys, row) else {
                numbers.append(-1)
                continue
            }
            var slot = Int(truncatingIfNeeded: hash) & (capacity - 1)
            while slots[slot] >= 0, !TupleColumn.equal(keys, Int(representatives[Int(slots[slot])]), keys, row) {
                slot = (slot + 1) & (capacity - 1)
            }
            if slots[slot] < 0 {
                slots[slot] = Int32(representatives.count)
                representatives.append(Int32(row))
            }
            numbers.append(slots[slot])
        }
    }

    var count: Int { representatives.count }

    /// The numbers that this table gives to other rows' tuples; −1 for a tuple that it doesn't have.
    func find(_ columns: [Column], count: Int) -> [Int32] {
        let others = columns.map { TupleColumn($0) }
        var found: [Int32] = []
        found.reserveCapacity(count)
        for row in 0..<count {
            guard let hash = TupleColumn.hash(others, row) else {
                found.append(-1)
                continue
            }
            var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
            while slots[slot] >= 0, !TupleColumn.equal(keys, Int(representatives[Int(slots[slot])]), others, row) {
                slot = (slot + 1) & (slots.count - 1)
            }
            found.append(slots[slot])
        }
        return found
    }
}

/// A column as a part of tuples: fixed-width values as canonical words of 64 bits, decimals of 128, texts and lists as
/// bytes.
struct TupleColumn {
    private let words: [UInt64]
    private let wides: [Int128]?
    private let texts: StringColumn?
    private let validity: [Bool]?
    private let isFloat: Bool

    init(_ column: Column) {
        validity = column.validity
        isFloat = column.type.layout == .floats
        wides = if case .wides(let values) = column.values { values } else { nil }
        switch column.values {
        case .bits(let values): words = values.map { $0 ? 1 : 0 }
        case .words(let values): words = values.map { UInt64(bitPattern: $0) }
        case .floats(let values): words = values.map { $0.isNaN ? Double.nan.bitPattern : ($0 + 0.0).bitPattern }
        case .wides: words = []
        case .bytes(let texts):
            words = []
            self.texts = texts
            return
        case .packed:
            words = []
            texts = column.withOneZero().packs
            return
        }
        texts = nil
    }

    /// The hash of each of `count` tuples, 0 if a part is NULL. The buckets of segments depend on it, so it never
    /// changes.
    static func hashes(_ columns: [Column], count: Int) -> [UInt64] {
        let parts = columns.map { TupleColumn($0) }
        return (0..<count).map { TupleColumn.hash(parts, $0) ?? 0 }
    }

    /// Where each run of equal tuples begins. Without columns, all rows are one run.
    static func runs(_ columns: [Column], count: Int) -> [Int32] {
        guard count > 0 else { return [] }
        var starts: [Int32] = [0]
        // One number: no need to make it a tuple.
        if columns.count == 1, columns[0].validity == nil, case .words(let integers) = columns[0].values {
            let values = integers.span
            for row in 1..<max(count, 1) where values[row] != values[row - 1] { starts.append(Int32(row)) }
            return starts
        }
        let parts = columns.map { TupleColumn($0) }
        for row in 1..<count where !TupleColumn.equal(parts, row - 1, parts, row) { starts.append(Int32(row)) }
        return starts
    }

    /// Nil if a part is NULL.
    static func hash(_ columns: [TupleColumn], _ row: Int) -> UInt64? {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        for column in columns {
            if let validity = column.validity, !validity[row] { return nil }
            if let texts = column.texts {
                hash = mix(hash ^ texts.bytes[texts.range(row)].fnv1a)
            } else if let wides = column.wides {
                let value = UInt128(bitPattern: wides[row])
                hash = mix(hash ^ UInt64(truncatingIfNeeded: value))
                hash = mix(hash ^ UInt64(truncatingIfNeeded: value >> 64))
            } else {
                hash = mix(hash ^ column.words[row])
            }
        }
        return hash
    }

    /// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
    private static func mix(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// The order of rows in segments: part by part, numbers and times by value (NaN last), texts by their bytes.
    static func precedes(_ columns: [TupleColumn], _ left: Int, _ right: Int) -> Bool {
        for column in columns {
            if let texts = column.texts {
                let order = texts.compare(left, texts, right)
                if order != 0 { return order < 0 }
            } else if let wides = column.wides {
                if wides[left] != wides[right] { return wides[left] < wides[right] }
            } else {
                let a = column.words[left], b = column.words[right]
                if a != b {
                    return column.isFloat
                        ? Double(bitPattern: a).totalOrderKey < Double(bitPattern: b).totalOrderKey
                        : Int64(bitPattern: a) < Int64(bitPattern: b)
                }
            }
        }
        return false
    }

    static func equal(_ left: [TupleColumn], _ leftRow: Int, _ right: [TupleColumn], _ rightRow: Int) -> Bool {
        for (a, b) in zip(left, right) {
            if let texts = a.texts, let others = b.texts {
                if texts.compare(leftRow, others, rightRow) != 0 { return false }
            } else if let wides = a.wides, let others = b.wides {
                if wides[leftRow] != others[rightRow] { return false }
            } else if a.words[leftRow] != b.words[rightRow] {
                return false
            }
        }
        return true
    }
}
