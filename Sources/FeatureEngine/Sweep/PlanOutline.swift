public import FeatureLanguage

/// A plan in words: what is computed from which rows, and how much memory that takes.
public struct PlanOutline: Sendable {
    /// One aggregate of a group.
    public struct Step: Sendable {
        /// `a1`, `a2`, …: what outputs call it.
        public var id: String
        /// The aggregate as it stands in an expression.
        public var text: String
        /// The event times it sees at an instant `t`.
        public var window: String
        /// The outputs that read it.
        public var usedBy: [String]
        /// How much a cursor keeps for it.
        public var state: State
    }

    /// What a cursor keeps of an entity between one instant and the next.
    public enum State: Sendable, Hashable {
        /// As much after a thousand rows as after one.
        case constant
        /// The rows inside the window.
        case window
        /// The rows that are too new for a window without a beginning.
        case waiting
        /// More with every row, for the reason given.
        case history(String)
    }

    /// Aggregates over one source for one choice of spine columns as its keys, read in one mode.
    public struct Group: Sendable {
        /// The source's name.
        public var source: String
        /// The spine column that each of the source's key columns is compared with.
        public var keys: [(column: String, spine: String)]
        /// How its rows are read: labels in hindsight, all else as served.
        public var mode: Reading.Mode
        /// Its aggregates, in the plan's order.
        public var steps: [Step]
    }

    /// One column of the result, as an expression over steps.
    public struct Output: Sendable {
        /// The name of its column.
        public var name: String
        /// Whether it is a feature or a label.
        public var kind: FunctionKind
        /// The type of its values.
        public var type: ValueType
        /// Its expression over the steps, with every feature that it refers to written out.
        public var text: String
        /// The ids of its steps that grow with history.
        public var growing: [String]
    }

    /// The plan's groups, in its order.
    public var groups: [Group] = []
    /// The plan's outputs, in its order.
    public var outputs: [Output] = []
}

extension Plan {
    /// What it computes, in words.
    public var outline: PlanOutline {
        var outline = PlanOutline()
        var readers: [Int: [String]] = [:]
        let inputs = outputs.map(\.scalar.inputs)
        for (output, inputs) in zip(outputs, inputs) {
            for input in inputs { readers[input, default: []].append(output.name) }
        }
        var leaves: [Expression] = [.asOf] + requests.map { .request($0.name, $0.type) }
        var growing: Set<Int> = []
        for group in groups {
            let steps = group.aggregates.map { aggregate -> PlanOutline.Step in
                let slot = leaves.count, id = "a\(slot - requests.count)"
                leaves.append(.column(id, aggregate.type))
                let state = aggregate.state(over: group.source)
                if case .history = state { growing.insert(slot) }
                return PlanOutline.Step(
                    id: id, text: aggregate.text, window: aggregate.frame.edges, usedBy: readers[slot] ?? [],
                    state: state)
            }
            outline.groups.append(
                PlanOutline.Group(
                    source: group.source.name, keys: group.keys.map { ($0.column, $0.spine) },
                    mode: group.hindsight ? .hindsight : .asServed, steps: steps))
        }
        outline.outputs = zip(outputs, inputs).map { output, inputs in
            let ids = inputs.intersection(growing).sorted().map { "a\($0 - requests.count)" }
            return PlanOutline.Output(
                name: output.name, kind: output.kind, type: output.type, text: output.scalar.expression(leaves).text,
                growing: ids)
        }
        return outline
    }
}

extension Scalar {
    /// The indices of the inputs it reads.
    fileprivate var inputs: Set<Int> {
        switch self {
        case .literal: []
        case .input(let index, _): [index]
        case .call(_, let arguments, _): arguments.reduce(into: []) { $0.formUnion($1.inputs) }
        }
    }

    fileprivate func expression(_ leaves: [Expression]) -> Expression {
        switch self {
        case .literal(let literal, let type): .literal(literal, type)
        case .input(let index, _): leaves[index]
        case .call(let operation, let arguments, let type):
            .call(operation, arguments.map { $0.expression(leaves) }, type)
        }
    }
}

extension Aggregate {
    fileprivate func state(over source: Source) -> PlanOutline.State {
        if source.isStatic { return .constant }
        if frame.older != nil { return .window }
        if !source.id.isEmpty { return .history("a correction may take any row back") }
        switch `operator`.entry.keeps {
        case .rows(let why): return .history(why)
        case .constant: return frame.newer == .zero ? .constant : .waiting
        }
    }
}
