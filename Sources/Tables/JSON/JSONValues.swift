package import FeatureEngine
package import FeatureLanguage

extension JSON {
    /// Appends a value of a column.
    package static func write(_ column: Column, _ row: Int, to bytes: inout [UInt8]) {
        if column.isNull(row) { return bytes.append(contentsOf: "null".utf8) }
        switch column.values {
        case .floats(let values): write(values[row], to: &bytes)
        case .bytes(let texts): write(texts.bytes[texts.range(row)], to: &bytes)
        case .packed: JSON(column[row]).write(to: &bytes)
        case .bits(let values): bytes += (values[row] ? "true" : "false").utf8
        case .words(let values): write(word: values[row], column.textRules, to: &bytes)
        case .wides(let values): write(DecimalValue(values[row], of: column.type), to: &bytes)
        }
    }
}

extension Column {
    /// The rules of a type whose values JSON has as texts; nil for others.
    fileprivate var textRules: TypeRules? { type.rules.isTextInJSON ? type.rules : nil }
}
