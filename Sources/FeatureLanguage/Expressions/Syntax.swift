/// An expression as written: what the parser makes and the type checker reads.
indirect enum Syntax: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A number with a point or an exponent: a float64, or beside a decimal a decimal of its digits.
    case decimal(Double, DecimalDigits)
    case string(String)
    case interval(TimeSpan)
    case column(String)
    case request(String)
    case asOf
    case feature(VersionedName)
    /// An operator or a function, by its canonical name: `+`, `and`, `coalesce`, …
    case call(String, [Node])
    /// `when`, `then` pairs and the `else`.
    case cases([(when: Node, then: Node)], otherwise: Node?)
    case cast(Node, ValueType)
    case extract(String, Node)
    case aggregate(Call)

    struct Node: Sendable {
        var syntax: Syntax
        /// The byte of the expression's text where it begins; for an operator, where the operator is.
        var offset: Int
        /// Levels of the tree from this node down, bounded because everything after the parser recurses.
        var depth = 1
        /// Parts of the tree from this node down. A part that is written once but used more than once counts each time
        /// (`case x when …`).
        var size = 1
    }

    struct Call: Sendable {
        var name: String
        var isDistinct = false
        /// Nil for `count(*)`.
        var arguments: [Node]?
        var filter: Node?
        var frame = Frame.allHistory
    }

    /// Its value, if it is a number, text or bool written as a literal.
    var constant: Literal? {
        switch self {
        case .bool(let value): .bool(value)
        case .integer(let value): .int64(value)
        case .decimal(let value, _): .float64(value)
        case .string(let text): .string(text)
        case .null, .interval, .column, .request, .asOf, .feature, .call, .cases, .cast, .extract, .aggregate: nil
        }
    }
}

extension Syntax.Node {
    /// The parts that are evaluated beside it: nothing within an aggregate, which reads a source's rows.
    var children: [Syntax.Node] {
        switch syntax {
        case .call(_, let arguments): arguments
        case .cases(let cases, let otherwise): cases.flatMap { [$0.when, $0.then] } + (otherwise.map { [$0] } ?? [])
        case .cast(let operand, _), .extract(_, let operand): [operand]
        case .null, .bool, .integer, .decimal, .string, .interval, .column, .request, .asOf, .feature, .aggregate: []
        }
    }
}

/// The rules for names.
public enum Identifier {
    /// `[a-z][a-z0-9_]*`, at most 63 bytes: entities, sources, features, labels and sets.
    public static func isPlain(_ name: some StringProtocol) -> Bool {
        guard let first = name.utf8.first, first >= UInt8(ascii: "a"), first <= UInt8(ascii: "z"), name.utf8.count <= 63
        else { return false }
        return name.utf8.allSatisfy {
            $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                || $0 == UInt8(ascii: "_")
        }
    }

    private static let systemColumns: Set<String> = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"]

    /// Why `name` can't name a column or key; nil if it can.
    public static func faultOfColumn(_ name: String) -> String? {
        if name.isEmpty { return "a column needs a name" }
        if name.utf8.count > 63 { return "the column name '\(name.prefix(20))…' is longer than 63 bytes" }
        if name.utf8.contains(0) { return "a column name holds a NUL character" }
        if name.hasPrefix("firn_") { return "column names that begin with firn_ belong to the store: '\(name)'" }
        if systemColumns.contains(name) { return "'\(name)' is a system column of PostgreSQL" }
        return nil
    }

    /// Whether no unquoted spelling in an expression means this name, keywords aside.
    static func needsQuotes(_ name: String) -> Bool {
        !isPlain(name)
            && !name.utf8.allSatisfy { $0 == UInt8(ascii: "_") || $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
    }
}
