/// Values of a type that isn't ours, as they lie: a tree in the shape of the type, each part complete and starting at
/// its row 0.
public struct ArrowArray: Sendable, Equatable {
    /// The Arrow type, which gives the tree its shape.
    public let type: ArrowType
    /// The number of rows.
    public internal(set) var count = 0
    /// False where NULL; nil if nothing is NULL, or if the shape has no such marks.
    var validity: [Bool]?
    /// Values of fixed width (a bool is a byte), texts, the ids of a union's types, or indices into a dictionary.
    var bytes: [UInt8] = []
    /// Where each text or list ends, after a 0; where each value of a dense union is in its child; or where each run
    /// ends.
    var places: [Int] = []
    /// Items, members, or the values of runs or of a dictionary.
    var children: [ArrowArray]

    /// How values lie; several types share a shape.
    enum Shape {
        case none, fixed(Int), texts, lists, fixedLists(Int), structure, sparseUnion, denseUnion, runs, dictionary(Int)
    }

    /// An array without rows.
    public init(_ type: ArrowType) {
        self.type = type
        switch type.shape {
        case .texts, .lists: places = [0]
        default: break
        }
        switch type {
        case .runEndEncoded(_, let values): children = [ArrowArray(values.type)]
        case .dictionary(_, _, let values, _): children = [ArrowArray(values)]
        default: children = type.children.map { ArrowArray($0.type) }
        }
    }

    func isNull(_ row: Int) -> Bool { validity.map { !$0[row] } ?? false }
}

extension ArrowType {
    var shape: ArrowArray.Shape {
        switch self {
        case .null: .none
        case .bool: .fixed(1)
        case .utf8, .largeUtf8, .utf8View, .binary, .largeBinary, .binaryView: .texts
        case .list, .largeList, .listView, .largeListView, .map: .lists
        case .fixedList(_, let count): .fixedLists(count)
        case .structure: .structure
        case .union(_, _, let isDense): isDense ? .denseUnion : .sparseUnion
        case .runEndEncoded: .runs
        case .dictionary(let bits, _, _, _): .dictionary(bits / 8)
        default: .fixed(width ?? 0)
        }
    }
}

extension ArrowArray {
    /// The index of the union's child that holds a row's value.
    private func member(_ row: Int) -> Int {
        guard case .union(_, let ids, _) = type else { return 0 }
        return ids.firstIndex(of: Int(bytes[row])) ?? 0
    }

    /// Reads an index into the dictionary, or the end of a run.
    static func integer(_ bytes: [UInt8], _ row: Int, width: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<width { word |= UInt64(bytes[row * width + index]) << UInt64(8 * index) }
        return word
    }

    func index(_ row: Int, width: Int) -> Int { Int(truncatingIfNeeded: ArrowArray.integer(bytes, row, width: width)) }

    private mutating func append(index: Int, width: Int) {
        for place in 0..<width { bytes.append(UInt8(truncatingIfNeeded: index >> (8 * place))) }
    }

    /// - Parameter valid: the marks of the new rows; nil if all are valid.
    private mutating func append(validity valid: ArraySlice<Bool>?, rows: Int) {
        guard validity != nil || valid?.contains(false) ?? false else { return }
        if validity == nil { validity = Array(repeating: true, count: count) }
        if let valid { validity! += valid } else { validity! += repeatElement(true, count: rows) }
    }

    /// Appends rows of an array of the same type.
    ///
    /// - Throws: an error if the dictionaries have more values together than an index can count.
    mutating func append(_ other: ArrowArray, _ rows: Range<Int>) throws(ArrowError) {
        if rows.isEmpty { return }
        append(validity: other.validity?[rows], rows: rows.count)
        switch type.shape {
        case .none: break
        case .fixed(let width): bytes += other.bytes[rows.lowerBound * width..<rows.upperBound * width]
        case .texts:
            let range = appendEnds(of: other, rows, from: bytes.count)
            bytes += other.bytes[range]
        case .lists:
            let range = appendEnds(of: other, rows, from: children[0].count)
            try children[0].append(other.children[0], range)
        case .fixedLists(let size):
            try children[0].append(other.children[0], rows.lowerBound * size..<rows.upperBound * size)
        case .structure: for child in children.indices { try children[child].append(other.children[child], rows) }
        case .sparseUnion:
            bytes += other.bytes[rows]
            for child in children.indices { try children[child].append(other.children[child], rows) }
        case .denseUnion:
            bytes += other.bytes[rows]
            for row in rows {
                let child = other.member(row), place = other.places[row]
                places.append(children[child].count)
                try children[child].append(other.children[child], place..<place + 1)
            }
        case .runs:
            var run = other.run(rows.lowerBound), at = rows.lowerBound
            while at < rows.upperBound {
                at = min(other.places[run], rows.upperBound)
                try children[0].append(other.children[0], run..<run + 1)
                places.append(count + at - rows.lowerBound)
                run += 1
            }
        case .dictionary(let width):
            if let new = try adopt(other.children[0]) {
                for row in rows {
                    append(index: other.isNull(row) ? 0 : new[other.index(row, width: width)], width: width)
                }
            } else {
                bytes += other.bytes[rows.lowerBound * width..<rows.upperBound * width]
            }
        }
        count += rows.count
    }

    /// - Returns: the range of bytes or items that the rows refer to in `other`.
    private mutating func appendEnds(of other: ArrowArray, _ rows: Range<Int>, from start: Int) -> Range<Int> {
        let range = other.places[rows.lowerBound]..<other.places[rows.upperBound], shift = start - range.lowerBound
        places += other.places[rows.lowerBound + 1...rows.upperBound].lazy.map { $0 + shift }
        return range
    }

    /// Appends a NULL, with nothing beneath it.
    ///
    /// - Parameter isMarked: false for a field that allows no NULL by its schema, which gets a meaningless value
    ///   instead.
    mutating func appendNull(isMarked: Bool = true) {
        let fields = type.children
        switch type.shape {
        case .none, .sparseUnion, .denseUnion, .runs: break
        default: append(validity: [!isMarked], rows: 1)
        }
        switch type.shape {
        case .none: break
        case .fixed(let width), .dictionary(let width): bytes += repeatElement(0, count: width)
        case .texts, .lists: places.append(places[count])
        case .fixedLists(let size): for _ in 0..<size { children[0].appendNull(isMarked: fields[0].isNullable) }
        case .structure:
            for child in children.indices { children[child].appendNull(isMarked: fields[child].isNullable) }
        case .sparseUnion, .denseUnion:
            guard case .union(_, let ids, let isDense) = type, !ids.isEmpty else { break }
            bytes.append(UInt8(ids[0]))
            if isDense { places.append(children[0].count) }
            for child in children.indices where child == 0 || !isDense {
                children[child].appendNull(isMarked: fields[child].isNullable)
            }
        case .runs:
            children[0].appendNull(isMarked: fields[1].isNullable)
            places.append(count + 1)
        }
        count += 1
    }

    /// The run that a row is in.
    private func run(_ row: Int) -> Int {
        var low = 0, high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle] > row { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Adds another dictionary's values to this one's.
    ///
    /// - Returns: the new index for each of its values; nil if they stay as they are.
    private mutating func adopt(_ other: ArrowArray) throws(ArrowError) -> [Int]? {
        let held = children[0]
        if held == other { return nil }
        if held.count == 0 {
            children[0] = other
            return nil
        }
        if other.count > held.count {
            var start = ArrowArray(other.type)
            try start.append(other, 0..<held.count)
            if start == held {
                children[0] = other
                return nil
            }
        }
        guard case .dictionary(let bits, let isSigned, _, _) = type else { return nil }
        var known: [[UInt8]: Int] = [:], new: [Int] = []
        for row in 0..<held.count { if let key = held.key(row), known[key] == nil { known[key] = row } }
        for row in 0..<other.count {
            if let key = other.key(row), let place = known[key] {
                new.append(place)
            } else {
                if let key = other.key(row) { known[key] = children[0].count }
                new.append(children[0].count)
                try children[0].append(other, row..<row + 1)
            }
        }
        let most = bits - (isSigned ? 1 : 0)
        guard most >= 63 || children[0].count <= 1 << most else {
            throw ArrowError(
                "has more categories in all than its index counts",
                advice: "cast it to its values' type, or give its pieces one set of categories")
        }
        return new
    }

    /// Bytes that tell a value from others; nil for shapes that have none.
    private func key(_ row: Int) -> [UInt8]? {
        if isNull(row) { return [0] }
        switch type.shape {
        case .fixed(let width): return [1] + bytes[row * width..<(row + 1) * width]
        case .texts: return [1] + bytes[places[row]..<places[row + 1]]
        default: return nil
        }
    }

    /// These rows alone.
    func slice(_ rows: Range<Int>) throws(ArrowError) -> ArrowArray {
        if rows == 0..<count { return self }
        var result = ArrowArray(type)
        try result.append(self, rows)
        return result
    }

    /// Joins arrays of the same type, at least one, in order.
    public init(concatenating arrays: [ArrowArray]) throws(ArrowError) {
        self = arrays[0]
        for array in arrays.dropFirst() { try append(array, 0..<array.count) }
    }
}

extension ArrowArray {
    /// This array with NULL in some rows, leaving nothing of their values behind, whether beneath the NULL or in a
    /// dictionary. Rows beyond the end are ignored.
    public func withNulls(in rows: Set<Int>) throws(ArrowError) -> ArrowArray {
        var result = ArrowArray(type), at = 0
        for row in rows.sorted() where row < count {
            try result.append(self, at..<row)
            result.appendNull()
            at = row + 1
        }
        try result.append(self, at..<count)
        try result.forget(what: self)
        return result
    }

    /// Drops dictionary values that were in use before and no longer are. Those that no row ever had stay.
    private mutating func forget(what before: ArrowArray) throws(ArrowError) {
        if case .dictionary(let width) = type.shape {
            let gone = before.used(width).subtracting(used(width))
            if !gone.isEmpty {
                let all = children[0]
                var kept = ArrowArray(all.type), new: [Int] = []
                for row in 0..<all.count {
                    new.append(kept.count)
                    if !gone.contains(row) { try kept.append(all, row..<row + 1) }
                }
                children[0] = kept
                let old = self
                bytes = []
                for row in 0..<count {
                    append(index: isNull(row) ? 0 : new[old.index(row, width: width)], width: width)
                }
            }
        }
        for child in children.indices { try children[child].forget(what: before.children[child]) }
    }

    private func used(_ width: Int) -> Set<Int> {
        var used: Set<Int> = []
        for row in 0..<count where !isNull(row) { used.insert(index(row, width: width)) }
        return used
    }

    /// For each row, the index of its value in the dictionary or among the runs, −1 where the row is NULL. Nil for
    /// other types.
    func meant() -> [Int32]? {
        switch type.shape {
        case .dictionary(let width): return (0..<count).map { isNull($0) ? -1 : Int32(index($0, width: width)) }
        case .runs:
            var rows: [Int32] = []
            for (run, end) in places.enumerated() { rows += repeatElement(Int32(run), count: end - rows.count) }
            return rows
        default: return nil
        }
    }

    /// The bytes that the rows of a dictionary or of runs would take if each had its own copy of the value; 0 for other
    /// types.
    func spelledOut() -> Int {
        guard let rows = meant() else { return 0 }
        let values = children[0]
        switch values.type.shape {
        case .fixed(let width): return rows.count * width
        case .texts: return rows.reduce(0) { $0 + ($1 < 0 ? 0 : values.places[Int($1) + 1] - values.places[Int($1)]) }
        default: return 0
        }
    }
}
