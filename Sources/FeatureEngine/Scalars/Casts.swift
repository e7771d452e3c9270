internal import FeatureLanguage

/// A cast as PostgreSQL does it; what doesn't fit or parse is NULL.
func cast(_ operand: Column, to type: ValueType) -> Column {
    if operand.type == .int64, type == .float64 {
        return Column(.float64, operand.integers.map { Double($0) }, validity: operand.validity)
    }
    if operand.type == .int64, type == .bool {
        return Column(.bool, operand.integers.map { $0 != 0 }, validity: operand.validity)
    }
    if operand.type == .bool, type == .int64 {
        return Column(.int64, operand.bools.map { Int64($0 ? 1 : 0) }, validity: operand.validity)
    }
    if operand.type == .float64, type == .int64 {
        let (result, validity) = map(operand.floats, operand.validity, 0) {
            Int64(exactly: $0.rounded(.toNearestOrEven))
        }
        return Column(.int64, result, validity: validity)
    }
    if type.layout == .wides, operand.type.isNumber { return decimal(operand, to: type) }
    if case .wides(let values) = operand.values, type == .float64 {
        let scale = operand.type.scale
        let floats = values.map { DecimalValue($0, precision: DecimalValue.maximumPrecision, scale: scale).float64 }
        return Column(.float64, floats, validity: operand.validity)
    }
    if case .wides(let values) = operand.values, type == .int64 {
        let scale = operand.type.scale
        let (result, validity) = map(values, operand.validity, 0) {
            rescaled($0, from: scale, to: 0, .toNearestOrAwayFromZero).flatMap { Int64(exactly: $0) }
        }
        return Column(.int64, result, validity: validity)
    }
    if operand.type == .date, type == .timestamp {
        return Column(.timestamp, operand.integers.map { $0 &* Instant.microsecondsPerDay }, validity: operand.validity)
    }
    if operand.type == .timestamp, type == .date {
        return Column(
            .date,
            operand.integers.map { $0.flooredQuotientAndRemainder(dividingBy: Instant.microsecondsPerDay).quotient },
            validity: operand.validity)
    }
    if case .list(let element) = type, operand.type.isPacked {
        return operand.type.isOrdered ? castLists(operand, to: element) : castToLists(operand)
    }
    if case .vector = type, operand.type.isPacked { return castToVectors(operand, type) }
    var builder = ColumnBuilder(type)
    builder.reserve(operand.count)
    for row in 0..<operand.count {
        switch operand[row] {
        case .null: builder.appendNull()
        case .string(let text): builder.append(Literal(text: text, as: type) ?? .null)
        case let value where type == .string: builder.append(.string(value.sqlText))
        case let value: builder.append(value)
        }
    }
    return builder.finish()
}
