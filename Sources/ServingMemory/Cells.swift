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
    /// How old memory's data may be; nil if it is from a moment ago.
    var age: Duration?
    var kinds: [Kind]
    /// Values as words; for a text or a decimal, its start in `texts` and, in the upper half, its length.
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
