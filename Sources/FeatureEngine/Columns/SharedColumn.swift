internal import FeatureLanguage
internal import Synchronization

/// A column of known length that several threads fill, each some of its rows.
final class SharedColumn: Sendable {
    private let type: ValueType
    private let count: Int
    private let state: Mutex<State>

    /// One of the arrays is used, by the type.
    private struct State {
        var bools: [Bool] = []
        var integers: [Int64] = []
        var floats: [Double] = []
        /// Texts have no place of their own: they are put in order in the end.
        var texts: [(column: Column, rows: [Int32])] = []
        /// Empty as long as nothing is NULL.
        var validity: [Bool] = []
    }

    /// - Parameter count: how many rows; each is placed once.
    init(_ type: ValueType, count: Int) {
        self.type = type
        self.count = count
        var state = State()
        switch type {
        case .bool: state.bools = Array(repeating: false, count: count)
        case .int64, .timestamp: state.integers = Array(repeating: 0, count: count)
        case .float64: state.floats = Array(repeating: 0, count: count)
        case .string: break
        }
        self.state = Mutex(state)
    }

    /// Puts values of the column's type where `rows` says.
    func place(_ column: Column, at rows: [Int32]) {
        state.withLock { state in
            if let valid = column.validity, type != .string {
                if state.validity.isEmpty { state.validity = Array(repeating: true, count: count) }
                SharedColumn.place(valid, at: rows, in: &state.validity)
            }
            switch column.values {
            case .bool(let values): SharedColumn.place(values, at: rows, in: &state.bools)
            case .int64(let values), .timestamp(let values): SharedColumn.place(values, at: rows, in: &state.integers)
            case .float64(let values): SharedColumn.place(values, at: rows, in: &state.floats)
            case .string: state.texts.append((column, rows))
            }
        }
    }

    private static func place<T: BitwiseCopyable>(_ values: [T], at rows: [Int32], in array: inout [T]) {
        var target = array.mutableSpan
        let values = values.span, rows = rows.span
        for index in rows.indices { target[Int(rows[index])] = values[index] }
    }

    /// The column, once every row is placed; called once.
    func finish() -> Column {
        state.withLock { state in
            defer { state = State() }
            let validity = state.validity.isEmpty ? nil : state.validity
            switch type {
            case .bool: return Column(.bool(state.bools), validity: validity)
            case .int64: return Column(.int64(state.integers), validity: validity)
            case .float64: return Column(.float64(state.floats), validity: validity)
            case .timestamp: return Column(.timestamp(state.integers), validity: validity)
            case .string:
                guard !state.texts.isEmpty else { return Column(.string(StringColumn())) }
                let all = Column(concatenating: state.texts.map(\.column))
                var places = Array(repeating: Int32(0), count: count)
                for (index, row) in state.texts.lazy.flatMap(\.rows).enumerated() { places[Int(row)] = Int32(index) }
                return all.gathered(places)
            }
        }
    }
}
