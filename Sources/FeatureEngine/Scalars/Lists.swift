internal import FeatureLanguage

// Operators and functions over lists and vectors.

extension Column {
    /// The list in a row; nil where it is NULL.
    fileprivate func list(_ row: Int) -> PackedList? {
        guard case .list(let element) = type, !isNull(row) else { return nil }
        return PackedList(packs.bytes[packs.range(row)], element)
    }
}

/// `x[i]`, counted from 1; NULL outside.
func elements(_ arguments: [Column], _ type: ValueType) -> Column {
    let operand = arguments[0], places = arguments[1].integers
    var builder = ColumnBuilder(type)
    builder.reserve(operand.count)
    if case .vector(let count) = operand.type {
        let components = operand.components
        for row in 0..<operand.count {
            let place = places[row]
            if operand.isNull(row) || arguments[1].isNull(row) || place < 1 || place > count {
                builder.appendNull()
            } else {
                builder.append(Double(components[row * count + Int(place) - 1]))
            }
        }
    } else {
        for row in 0..<operand.count {
            if let list = operand.list(row), !arguments[1].isNull(row) {
                builder.append(list[places[row]])
            } else {
                builder.appendNull()
            }
        }
    }
    return builder.finish()
}

func cardinalities(_ operand: Column) -> Column {
    Column(.int64, (0..<operand.count).map { Int64(operand.list($0)?.count ?? 0) }, validity: operand.validity)
}

/// `v = any (x)`: NULL if no element is equal but one of them or `v` is NULL. An empty list has no equal element,
/// whatever `v` is.
func isAny(_ arguments: [Column]) -> Column {
    let values = arguments[0], lists = arguments[1]
    var builder = ColumnBuilder(.bool)
    builder.reserve(lists.count)
    for row in 0..<lists.count {
        guard let list = lists.list(row), list.count == 0 || !values.isNull(row) else {
            builder.appendNull()
            continue
        }
        var isFound = false, hasNull = false
        if list.count > 0 {
            let value = PackedList.Element(values, row)
            for element in list where !isFound {
                if case .null = element { hasNull = true } else { isFound = value.order(element) == 0 }
            }
        }
        if !isFound, hasNull { builder.appendNull() } else { builder.append(isFound) }
    }
    return builder.finish()
}

/// `array_position(x, v)`: the first place of an element that isn't distinct from `v`; NULL if there is none.
func positions(_ arguments: [Column]) -> Column {
    let lists = arguments[0], values = arguments[1]
    var builder = ColumnBuilder(.int64)
    builder.reserve(lists.count)
    for row in 0..<lists.count {
        let value = PackedList.Element(values, row)
        if let place = lists.list(row)?.enumerated().first(where: { value.order($0.element) == 0 })?.offset {
            builder.append(Int64(place + 1))
        } else {
            builder.appendNull()
        }
    }
    return builder.finish()
}

/// `||` of two lists, or of a list and an element. A NULL list adds nothing, a NULL element is an element; more
/// elements than a list can have make it NULL.
func joinedLists(_ pair: [Column], _ type: ValueType) -> Column {
    guard case .list(let element) = type else { preconditionFailure("a list of \(type.rawValue)") }
    var elements = ColumnBuilder(element.type), ends = [0], validity: [Bool] = []
    for row in 0..<pair[0].count {
        let lists = pair.map { $0.list(row) }
        let count = zip(pair, lists).reduce(0) { $0 + ($1.0.type == type ? $1.1?.count ?? 0 : 1) }
        let isNull = pair.allSatisfy { $0.type == type && $0.isNull(row) } || count > ListValue.maximumCount
        validity.append(!isNull)
        if !isNull {
            for (column, list) in zip(pair, lists) {
                if column.type != type {
                    elements.append(PackedList.Element(column, row))
                } else if let list {
                    for item in list { elements.append(item) }
                }
            }
        }
        ends.append(elements.count)
    }
    return Column(listsOf: elements.finish(), ends: ends, validity: validity.contains(false) ? validity : nil)
}

/// A list of other elements, each of which is cast.
func castLists(_ operand: Column, to element: ScalarType) -> Column {
    let (ends, elements) = operand.unpacked()
    return Column(listsOf: cast(elements, to: element.type), ends: ends, validity: operand.validity)
}

/// Lists of numbers as vectors, rounded to float32; NULL where the length is another or an element is NULL or not
/// finite.
func castToVectors(_ operand: Column, _ type: ValueType) -> Column {
    guard case .vector(let count) = type else { preconditionFailure("a vector of \(type.rawValue)") }
    let (ends, elements) = operand.unpacked(), numbers = cast(elements, to: .float64)
    var builder = ColumnBuilder(type)
    builder.reserve(operand.count)
    for row in 0..<operand.count {
        let range = ends[row]..<ends[row + 1]
        let components = range.map { Float(numbers.floats[$0]) }
        let isWhole =
            range.count == count && components.allSatisfy(\.isFinite) && !range.contains(where: numbers.isNull)
        if operand.isNull(row) || !isWhole { builder.appendNull() } else { builder.append(.vector(components)) }
    }
    return builder.finish()
}

/// The components of vectors as lists of float64.
func castToLists(_ operand: Column) -> Column {
    guard case .vector(let count) = operand.type else { preconditionFailure("a list of \(operand.type.rawValue)") }
    let components = Column(.float64, operand.components.map { Double($0) })
    var ends = [0], kept: [Int32] = []
    for row in 0..<operand.count {
        if !operand.isNull(row) { kept += (row * count..<(row + 1) * count).map { Int32($0) } }
        ends.append(kept.count)
    }
    return Column(listsOf: components.gathered(kept), ends: ends, validity: operand.validity)
}

/// A float64 for each pair of vectors; nil is NULL.
func similarity(_ pair: [Column], _ body: (Span<Float>, Span<Float>) -> Double?) -> Column {
    guard case .vector(let count) = pair[0].type else {
        preconditionFailure("a similarity of \(pair[0].type.rawValue)")
    }
    let valid = bothValid(pair[0], pair[1])
    let left = pair[0].components, right = pair[1].components
    let (result, validity) = map(Array(0..<pair[0].count), valid, 0.0) { row in
        let range = row * count..<(row + 1) * count
        return body(left.span.extracting(range), right.span.extracting(range))
    }
    return Column(.float64, result, validity: validity)
}

// Sums are in float64 and in the order of the components, so that every machine has the same bits.

func dotProduct(_ left: Span<Float>, _ right: Span<Float>) -> Double? {
    var sum = 0.0
    for index in left.indices { sum += Double(left[index]) * Double(right[index]) }
    return sum
}

/// NULL if one of them is zero.
func cosineSimilarity(_ left: Span<Float>, _ right: Span<Float>) -> Double? {
    var dot = 0.0, one = 0.0, other = 0.0
    for index in left.indices {
        let a = Double(left[index]), b = Double(right[index])
        dot += a * b
        one += a * a
        other += b * b
    }
    return one == 0 || other == 0 ? nil : dot / (one.squareRoot() * other.squareRoot())
}

func distance(_ left: Span<Float>, _ right: Span<Float>) -> Double? {
    var sum = 0.0
    for index in left.indices {
        let difference = Double(left[index]) - Double(right[index])
        sum += difference * difference
    }
    return sum.squareRoot()
}
