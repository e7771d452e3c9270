internal import FeatureEngine
internal import FeatureLanguage

// Arrow's lists as lists and vectors of ours.

extension ArrowField {
    /// - Parameter ranges: where each list's items are.
    func lists(_ array: ArrowArray, _ ranges: [Range<Int>], _ type: ValueType) throws(ArrowError) -> Column {
        var items = array.children[0], ends = [0]
        // What lies beneath a NULL means nothing, and needn't be of the type.
        let hasGaps = zip(ranges, ranges.dropFirst()).contains { $0.upperBound != $1.lowerBound }
        if array.validity != nil || hasGaps { items = ArrowArray(items.type) }
        for (row, range) in ranges.enumerated() {
            let count = array.isNull(row) ? 0 : range.count
            if array.validity != nil || hasGaps, count > 0 { try items.append(array.children[0], range) }
            switch type {
            case .vector(let components) where !array.isNull(row) && count != components:
                throw fault(type, row, "it has \(count) components")
            case .list where count > ListValue.maximumCount:
                throw fault(type, row, "it has more than \(ListValue.maximumCount) elements")
            default: ends.append(ends[row] + count)
            }
        }
        var item = array.type.children[0]
        item.name = name
        do {
            guard case .vector(let count) = type else {
                let element: ValueType = if case .list(let element) = type { element.type } else { .string }
                return Column(
                    listsOf: try item.values(items.column, as: element), ends: ends, validity: array.validity)
            }
            return try item.vectors(items, count, rows: array.count, array.validity)
        } catch {
            guard error.column == name else { throw error }
            guard let place = error.row else { throw refusal(type) }
            var inside = error
            inside.row = ends.firstIndex { $0 >= place }
            inside.message = "has an element that \(error.message)"
            throw inside
        }
    }

    /// Vectors of `count` components each, those of NULLs left out.
    fileprivate func vectors(_ items: ArrowArray, _ count: Int, rows: Int, _ validity: [Bool]?) throws(ArrowError)
        -> Column
    {
        let bytes: [UInt8]
        if type == .float(bits: 32), items.validity == nil {
            bytes = items.bytes
        } else {
            let values = try self.values(items.column, as: .float64)
            if let row = values.validity?.firstIndex(of: false) {
                throw ArrowError("is NULL", column: name, row: row + 1, advice: "a vector has all of its components")
            }
            var rounded: [UInt8] = []
            rounded.reserveCapacity(4 * values.count)
            for value in values.floats { rounded.append(littleEndian: Float(value).bitPattern) }
            bytes = rounded
        }
        // All bits of the exponent are set in NaN and in the infinities.
        if let place = (0..<bytes.count / 4).first(where: {
            bytes[4 * $0 + 3] & 0x7F == 0x7F && bytes[4 * $0 + 2] >= 0x80
        }) {
            throw ArrowError(
                "is NaN, infinite or beyond a float32", column: name, row: place + 1,
                advice: "components are finite: write NULL for the whole vector")
        }
        var vectors = StringColumn(), present = 0
        vectors.offsets.reserveCapacity(rows + 1)
        for row in 0..<rows {
            if validity?[row] ?? true { present += 1 }
            vectors.offsets.append(4 * count * present)
        }
        vectors.bytes = bytes
        return Column(.vector(count), .packed(vectors), validity: validity)
    }
}

extension ArrowArray {
    /// Where the items of each list are; nil for types that aren't lists.
    var itemRanges: [Range<Int>]? {
        switch type {
        case .list, .largeList, .listView, .largeListView:
            return zip(places, places.dropFirst()).map { $0..<$1 }
        case .fixedList(_, let size): return (0..<count).map { $0 * size..<($0 + 1) * size }
        default: return nil
        }
    }
}
