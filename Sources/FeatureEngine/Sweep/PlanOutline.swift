public import FeatureLanguage

/// A plan in words: what is computed from which rows, and what that asks of memory.
public struct PlanOutline: Sendable {
    public struct Step: Sendable {
        /// `a1`, `a2`, …: how the outputs call it.
        public var id: String
        /// The aggregate as an expression has it.
        public var text: String
        /// The event times it sees at an instant `t`.
        public var window: String
        /// The outputs that read it.
        public var usedBy: [String]
        public var state: State
    }

    /// What a cursor keeps of an entity to go on from one instant to the next.
    public enum State: Sendable, Hashable {
        /// As much after a thousand rows as after one.
        case constant
        /// The rows inside the window.
        case window
        /// The rows that are too new for a window without a beginning.
        case waiting
        /// More with every row there ever was, for the reason given.
        case history(String)
    }

    /// Aggregates over one source for one choice of spine columns as its keys, read in one mode.
    public struct Group: Sendable {
        public var source: String
        /// Which spine column each of the source's key columns is held against.
        public var keys: [(column: String, spine: String)]
        public var mode: Reading.Mode
        public var steps: [Step]
    }

    public struct Output: Sendable {
        public var name: String
        public var kind: FunctionKind
        public var type: ValueType
        /// Its expression over the steps, every feature it refers to replaced by what that means.
        public var text: String
        /// The ids of its steps that grow with history.
        public var growing: [String]
    }

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
    /// The numbers of the inputs it reads.
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
