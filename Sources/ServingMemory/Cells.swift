/// Values on their way from memory into an answer, row by row.
struct Cells {
    enum Kind: UInt8 {
        case present, null, notFound, notFoundNull, stale, staleNull

        var isNull: Bool { self == .null || self == .notFoundNull || self == .staleNull }

        var status: LookupAnswer.Status {
            switch self {
            case .present: .present
            case .null: .null
            case .notFound, .notFoundNull: .notFound
            case .stale, .staleNull: .stale
            }
        }
    }

    let width: Int
    /// How old what memory has may be, where that isn't a moment.
    var age: Duration?
    var kinds: [Kind]
    /// Values as words; of a text, where it begins in `texts` and, above, how long it is.
    var words: [UInt64]
    var texts: [UInt8] = []

    init(rows: Int, width: Int) {
        self.width = width
        kinds = Array(repeating: .null, count: rows * width)
        words = Array(repeating: 0, count: rows * width)
    }

    func text(_ word: UInt64) -> ArraySlice<UInt8> {
        texts[Int(word & 0xFFFF_FFFF)..<Int(word & 0xFFFF_FFFF) + Int(word >> 32)]
    }
}
