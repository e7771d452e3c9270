import FeatureEngine
import FeatureLanguage

/// The value of an expression over request inputs for each row, through the same path as every feature's.
func evaluate(_ expression: String, _ inputs: [(name: String, column: Column)]) throws -> Column {
    let definition = FunctionDefinition(
        name: VersionedName("f.v1")!, kind: .feature, entity: "all",
        request: inputs.map { ColumnDefinition($0.name, $0.column.type) }, expression: expression)
    let catalog = try Catalog([.entity(Entity(name: "all", keys: [])), .function(definition)])
    let plan = Plan(try catalog.resolve(features: ["f.v1"]), in: catalog)
    let count = inputs.first?.column.count ?? 1
    let spine = Spine(
        columns: Dictionary(uniqueKeysWithValues: inputs.map { ($0.name, $0.column) }),
        instants: Array(repeating: 0, count: count))
    return plan.evaluate(spine, Reading()) { _ in preconditionFailure("no rows are read") }.columns[0]
}

/// The same of floats.
func evaluate(_ expression: String, _ inputs: [String: [Double]]) throws -> [Double?] {
    let column = try evaluate(expression, inputs.map { ($0.key, Column(.float64, $0.value)) })
    return (0..<column.count).map { row in
        if case .float64(let bits) = column[row] { Double(bitPattern: bits) } else { nil }
    }
}
