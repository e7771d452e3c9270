internal import FeatureLanguage
internal import Synchronization

/// A column of known length that several threads fill, each with some of its rows.
final class SharedColumn: Sendable {
    private let type: ValueType
    private let count: Int
    private let state: Mutex<State>

    /// Only the array of the type's layout is used.
    private struct State {
        var bools: [Bool] = []
        var integers: [Int64] = []
        var floats: [Double] = []
        var wides: [Int128] = []
        /// Texts and lists have no fixed place: they are put in order at the end.
        var texts: [(column: Column, rows: [Int32])] = []
        /// Empty as long as nothing is NULL.
        var validity: [Bool] = []
    }

    /// - Parameter count: how many rows; each is placed once.
    init(_ type: ValueType, count: Int) {
        self.type = type
        self.count = count
        var state = State()
        switch type.layout {
        case .bits: state.bools = Array(repeating: false, count: count)
        case .words: state.integers = Array(repeating: 0, count: count)
        case .floats: state.floats = Array(repeating: 0, count: count)
        case .wides: state.wides = Array(repeating: 0, count: count)
        case .bytes, .packed: break
        }
        self.state = Mutex(state)
    }

    /// Puts values of the column's type at the places in `rows`.
    func place(_ column: Column, at rows: [Int32]) {
        state.withLock { state in
            if let valid = column.validity, type.layout.isFixed {
                if state.validity.isEmpty { state.validity = Array(repeating: true, count: count) }
                SharedColumn.place(valid, at: rows, in: &state.validity)
            }
            switch column.values {
            case .bits(let values): SharedColumn.place(values, at: rows, in: &state.bools)
            case .words(let values): SharedColumn.place(values, at: rows, in: &state.integers)
            case .floats(let values): SharedColumn.place(values, at: rows, in: &state.floats)
            case .wides(let values): SharedColumn.place(values, at: rows, in: &state.wides)
            case .bytes, .packed: state.texts.append((column, rows))
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
            switch type.layout {
            case .bits: return Column(type, state.bools, validity: validity)
            case .words: return Column(type, state.integers, validity: validity)
            case .floats: return Column(type, state.floats, validity: validity)
            case .wides: return Column(type, state.wides, validity: validity)
            case .bytes, .packed:
                guard !state.texts.isEmpty else {
                    var none = ColumnBuilder(type)
                    return none.finish()
                }
                let all = Column(concatenating: state.texts.map(\.column))
                var places = Array(repeating: Int32(0), count: count)
                for (index, row) in state.texts.lazy.flatMap(\.rows).enumerated() { places[Int(row)] = Int32(index) }
                return all.gathered(places)
            }
        }
    }
}
