public import FeatureLanguage
public import Tables

/// What a lookup asks for.
public struct LookupRequest: Sendable {
    /// A value as it came: JSON, or a text of the command line.
    public enum Value: Sendable {
        case json(JSON)
        case text(String)

        public init(_ number: some BinaryInteger) { self = .json(JSON(number)) }
        public init(_ number: Double) { self = .text(number.description) }
        public init(_ text: String) { self = .json(.string(text)) }
        public init(_ flag: Bool) { self = .json(.bool(flag)) }
        public init(_ instant: Instant) { self = .json(.string(instant.description)) }

        package func literal(as type: ValueType) -> Literal? {
            switch self {
            case .json(let value): value.literal(as: type)
            case .text(let text): text.utf8.contains(0) ? nil : Literal(text: text, as: type)
            }
        }
    }

    public enum Target: Sendable, Hashable {
        case set(String)
        case features([String])

        /// The set's name.
        package var set: String? { if case .set(let name) = self { name } else { nil } }

        /// The set whose bound on freshness holds: also where all features are asked for as outputs of one, as Feast's
        /// clients do.
        public var boundingSet: String? {
            switch self {
            case .set(let name): return name
            case .features(let names):
                let views = Set(
                    names.map { $0.split(separator: ":", maxSplits: 1) }.map { $0.count == 2 ? String($0[0]) : nil })
                return views.count == 1 ? views.first!.map { Catalog.setName(ofView: $0) } : nil
            }
        }
    }

    /// What a target stands for, once pointers are followed.
    package struct Resolved: Sendable {
        package var target: Target
        /// What it went by.
        package var pointer: String?
        /// Whose set it is, where the pointer points to a model.
        package var model: VersionedName?

        package init(target: Target, pointer: String? = nil, model: VersionedName? = nil) {
            (self.target, self.pointer, self.model) = (target, pointer, model)
        }
    }

    /// A set's name may be a pointer's: `fraud@production`.
    public var target: Target
    /// By the set's spine names; lists of one length, or single values for all.
    public var entities: [String: [Value]]
    public var request: [String: [Value]]
    /// A past instant; nil asks for now.
    public var asOf: Instant?
    /// Offsets that the answer must have seen, by source.
    public var minOffsets: [String: Int64]
    /// Keeps a receipt of it in the lookup log.
    public var isLogged = false

    public init(
        _ target: Target, entities: [String: [Value]], request: [String: [Value]] = [:], asOf: Instant? = nil,
        minOffsets: [String: Int64] = [:]
    ) {
        self.target = target
        self.entities = entities
        self.request = request
        self.asOf = asOf
        self.minOffsets = minOffsets
    }

    /// More entities than this in one request are refused.
    public static let maximumEntities = 10_000
}
