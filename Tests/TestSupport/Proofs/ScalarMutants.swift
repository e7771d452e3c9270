// Breaks the kernel of each operation in one place; `scripts/mutants` sees to it that the tests notice.

// mutant: +: floats are subtracted | Sources/FeatureEngine/Scalars/Arithmetic.swift | { $0 + $1 } | { $0 - $1 }
// mutant: -: integers wrap | Sources/FeatureEngine/Scalars/Arithmetic.swift | numbers(pair, { $0.subtractingReportingOverflow($1) } | numbers(pair, { ($0 &- $1, false) }
// mutant: *: integers wrap | Sources/FeatureEngine/Scalars/Arithmetic.swift | $0.multipliedReportingOverflow(by: $1) | ($0 &* $1, false)
// mutant: /: a NaN over zero is NULL | Sources/FeatureEngine/Scalars/Arithmetic.swift | $1 == 0 && !$0.isNaN ? nil | $1 == 0 ? nil
// mutant: %: the least int64 % -1 is NULL | Sources/FeatureEngine/Scalars/Arithmetic.swift | $1 == -1 ? (0, false) : $0.rem | $0.rem
// mutant: negate: zero loses its sign | Sources/FeatureEngine/Scalars/Arithmetic.swift | floats(operand) { -$0 } | floats(operand) { 0 - $0 }
// mutant: add_span: time has no end | Sources/FeatureEngine/Scalars/Arithmetic.swift | overflow || !Instant.range.contains(Instant(microseconds: sum)) ? nil | overflow ? nil
// mutant: =: another order holds | Sources/FeatureEngine/Scalars/Scalar.swift | equal: compare(arguments) { $0 == 0 } | equal: compare(arguments) { $0 <= 0 }
// mutant: <>: another order holds | Sources/FeatureEngine/Scalars/Scalar.swift | notEqual: compare(arguments) { $0 != 0 } | notEqual: compare(arguments) { $0 < 0 }
// mutant: <: another order holds | Sources/FeatureEngine/Scalars/Scalar.swift | less: compare(arguments) { $0 < 0 } | less: compare(arguments) { $0 <= 0 }
// mutant: <=: another order holds | Sources/FeatureEngine/Scalars/Scalar.swift | lessOrEqual: compare(arguments) { $0 <= 0 } | lessOrEqual: compare(arguments) { $0 < 0 }
// mutant: >: another order holds | Sources/FeatureEngine/Scalars/Scalar.swift | greater: compare(arguments) { $0 > 0 } | greater: compare(arguments) { $0 >= 0 }
// mutant: >=: another order holds | Sources/FeatureEngine/Scalars/Scalar.swift | greaterOrEqual: compare(arguments) { $0 >= 0 } | greaterOrEqual: compare(arguments) { $0 > 0 }
// mutant: and: one true decides | Sources/FeatureEngine/Scalars/Scalar.swift | case .and: join(arguments, decisive: false) | case .and: join(arguments, decisive: true)
// mutant: or: a NULL decides | Sources/FeatureEngine/Scalars/Comparison.swift | let rightDecides = !right.isNull(row) && b[row] == decisive | let rightDecides = b[row] == decisive
// mutant: not: true stays | Sources/FeatureEngine/Scalars/Scalar.swift | bools.map { !$0 } | bools.map { $0 }
// mutant: is_null: nothing is | Sources/FeatureEngine/Scalars/Scalar.swift | map(arguments[0].isNull) | map { _ in false }
// mutant: is_distinct: two NULLs are | Sources/FeatureEngine/Scalars/Comparison.swift | a || b ? a != b | a || b ? true
// mutant: between: its bounds lie outside | Sources/FeatureEngine/Scalars/Comparison.swift | let above = compare(widened(arguments[0], arguments[1])) { $0 >= 0 } | let above = compare(widened(arguments[0], arguments[1])) { $0 > 0 }
// mutant: in: only its first value counts | Sources/FeatureEngine/Scalars/Comparison.swift | arguments.dropFirst(2).reduce | arguments.dropFirst(9).reduce
// mutant: like: an escaped wildcard is one | Sources/FeatureEngine/Scalars/Text.swift | wanted == text[t] || !escaped && wanted == | wanted == text[t] || wanted ==
// mutant: case: a NULL condition holds | Sources/FeatureEngine/Scalars/Comparison.swift | where holds[row] && !condition.isNull(row) | where holds[row] || condition.isNull(row)
// mutant: coalesce: its last value counts | Sources/FeatureEngine/Scalars/Comparison.swift | where picks[row] < 0 && !argument.isNull(row) { picks | where !argument.isNull(row) { picks
// mutant: nullif: unequal values are NULL | Sources/FeatureEngine/Scalars/Comparison.swift | !equal.isNull($0) ? -1 : 0 | !equal.isNull($0) ? 0 : -1
// mutant: greatest: it is the least | Sources/FeatureEngine/Scalars/Scalar.swift | case .greatest: extreme(arguments, count) { $0 > 0 } | case .greatest: extreme(arguments, count) { $0 < 0 }
// mutant: least: it is the greatest | Sources/FeatureEngine/Scalars/Scalar.swift | case .least: extreme(arguments, count) { $0 < 0 } | case .least: extreme(arguments, count) { $0 > 0 }
// mutant: cast: halves are rounded up | Sources/FeatureEngine/Scalars/Casts.swift | $0.rounded(.toNearestOrEven) | $0.rounded()
// mutant: abs: the least int64 stays | Sources/FeatureEngine/Scalars/Arithmetic.swift | $0 == .min ? nil : Swift.abs($0) | $0 == .min ? $0 : Swift.abs($0)
// mutant: round: halves are rounded away from zero | Sources/FeatureEngine/Scalars/Scalar.swift | floats(arguments[0]) { $0.rounded(.toNearestOrEven) } | floats(arguments[0]) { $0.rounded() }
// mutant: floor: it cuts off | Sources/FeatureEngine/Scalars/Scalar.swift | $0.rounded(.down) | $0.rounded(.towardZero)
// mutant: ceil: it cuts off | Sources/FeatureEngine/Scalars/Scalar.swift | $0.rounded(.up) | $0.rounded(.towardZero)
// mutant: trunc: it rounds down | Sources/FeatureEngine/Scalars/Scalar.swift | ?? floats(arguments[0]) { $0.rounded(.towardZero) } | ?? floats(arguments[0]) { $0.rounded(.down) }
// mutant: sign: NaN has one | Sources/FeatureEngine/Scalars/Scalar.swift | $0 > 0 ? 1 : $0 < 0 ? -1 : 0 | $0 > 0 ? 1 : $0 <= 0 ? -1 : $0
// mutant: sqrt: a negative number has one | Sources/FeatureEngine/Scalars/Scalar.swift | $0 < 0 ? nil : $0.squareRoot() | $0.magnitude.squareRoot()
// mutant: ln: it is to base 10 | Sources/FeatureEngine/Scalars/Scalar.swift | case .ln: floats(arguments[0]) { logarithm($0)?.rounded } | case .ln: floats(arguments[0]) { logarithm($0).map { ($0 / .ln10).rounded } }
// mutant: log: it is natural | Sources/FeatureEngine/Scalars/Scalar.swift | logarithm($0).map { ($0 / .ln10).rounded } | logarithm($0)?.rounded
// mutant: exp: its sign turns | Sources/FeatureEngine/Scalars/Scalar.swift | exponential(DoubleDouble($0)) | exponential(DoubleDouble(-$0))
// mutant: power: its sides are swapped | Sources/FeatureEngine/Scalars/Scalar.swift | case .power: floats(arguments, power) | case .power: floats([arguments[1], arguments[0]], power)
// mutant: ||: a NULL is nothing | Sources/FeatureEngine/Scalars/Scalar.swift | concatenation(arguments, skipsNull: false) | concatenation(arguments, skipsNull: true)
// mutant: concat: a NULL is all | Sources/FeatureEngine/Scalars/Scalar.swift | case .concat: concatenation(arguments, skipsNull: true) | case .concat: concatenation(arguments, skipsNull: false)
// mutant: lower: A stays | Sources/FeatureEngine/Scalars/Text.swift | $0 >= 0x41 && $0 <= 0x5A ? $0 + 32 | $0 >= 0x42 && $0 <= 0x5A ? $0 + 32
// mutant: upper: a stays | Sources/FeatureEngine/Scalars/Text.swift | $0 >= 0x61 && $0 <= 0x7A ? $0 - 32 | $0 >= 0x62 && $0 <= 0x7A ? $0 - 32
// mutant: length: bytes are counted | Sources/FeatureEngine/Scalars/Text.swift | count { $0 & 0xC0 != 0x80 } | count
// mutant: substring: it begins one later | Sources/FeatureEngine/Scalars/Text.swift | let begin = max(start, 1) | let begin = max(start, 2)
// mutant: extract: Sunday is 7 | Sources/FeatureEngine/Scalars/Calendar.swift | isoWeekday(days) % 7 | isoWeekday(days)
// mutant: date_trunc: a week begins on Sunday | Sources/FeatureEngine/Scalars/Calendar.swift | (days - isoWeekday(days) + 1) * day | (days - isoWeekday(days)) * day
// mutant: element: it counts from 0 | Sources/FeatureEngine/Columns/PackedList.swift | let index = Int(place - 1) | let index = Int(place) % count
// mutant: = any: a NULL element is passed over | Sources/FeatureEngine/Scalars/Lists.swift | if case .null = element { hasNull = true } | if case .null = element { hasNull = false }
// mutant: cardinality: a NULL list has no elements | Sources/FeatureEngine/Scalars/Lists.swift | Int64(operand.list($0)?.count ?? 0) }, validity: operand.validity) | Int64(operand.list($0)?.count ?? 0) })
// mutant: array_position: it counts from 0 | Sources/FeatureEngine/Scalars/Lists.swift | builder.append(Int64(place + 1)) | builder.append(Int64(place))
// mutant: dot_product: it takes magnitudes | Sources/FeatureEngine/Scalars/Lists.swift | sum += Double(left[index]) * Double(right[index]) | sum += (Double(left[index]) * Double(right[index])).magnitude
// mutant: cosine_similarity: one length is forgotten | Sources/FeatureEngine/Scalars/Lists.swift | dot / (one.squareRoot() * other.squareRoot()) | dot / (one.squareRoot() * one.squareRoot())
// mutant: l2_distance: it stays squared | Sources/FeatureEngine/Scalars/Lists.swift | return sum.squareRoot() | return sum
// mutant: ||: an element of a list is lost | Sources/FeatureEngine/Scalars/Lists.swift | elements.append(PackedList.Element(column, row)) | if !column.isNull(row) { elements.append(PackedList.Element(column, row)) }
// mutant: +: a carry of decimals is lost | Sources/FeatureEngine/Scalars/Decimals.swift | let high = x.high &+ y.high &+ (carry ? 1 : 0) | let high = x.high &+ y.high &+ (carry ? 0 : 0)
// mutant: %: a remainder of decimals has no sign | Sources/FeatureEngine/Scalars/Decimals.swift | map { a < 0 ? -$0 : $0 } | map { a < 0 ? $0 : $0 }
// mutant: round: a half of a decimal is cut off | Sources/FeatureEngine/Scalars/Decimals.swift | isHalf ? Int128(value.signum()) : 0 | isHalf ? 0 : 0
// mutant: cast: a decimal too wide for its type stays | Sources/FeatureEngine/Scalars/Decimals.swift | $0.magnitude < limit ? $0 : nil | $0.magnitude < limit ? $0 : $0
