public import FeatureLanguage
internal import Tables

/// What a lookup asks for.
public struct LookupRequest: Sendable {
    /// A value as it was given: JSON, or a text from the command line.
    public enum Value: Sendable {
        case json(JSON)
        case text(String)

        /// An integer of any size.
        public init(_ number: some BinaryInteger) { self = .json(JSON(number)) }
        /// A float, also NaN or an infinity.
        public init(_ number: Double) { self = .text(number.description) }
        /// A string; also a timestamp in RFC 3339.
        public init(_ text: String) { self = .json(.string(text)) }
        /// True or false.
        public init(_ flag: Bool) { self = .json(.bool(flag)) }
        /// A timestamp.
        public init(_ instant: Instant) { self = .json(.string(instant.description)) }

        package func literal(as type: ValueType) -> Literal? {
            switch self {
            case .json(let value): value.literal(as: type)
            case .text(let text): text.utf8.contains(0) ? nil : Literal(text: text, as: type)
            }
        }
    }

    /// What to look up: a set or a pointer to one, or features by their full references.
    public enum Target: Sendable, Hashable {
        case set(String)
        case features([String])

        /// The set's name; nil for features.
        package var set: String? { if case .set(let name) = self { name } else { nil } }

        /// The set whose bound on freshness applies. If all features are asked for as outputs of one set, as Feast's
        /// clients do, it is that set.
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
        /// The pointer that was followed, if there was one.
        package var pointer: String?
        /// The model whose set it is, if the pointer points to a model.
        package var model: VersionedName?

        package init(target: Target, pointer: String? = nil, model: VersionedName? = nil) {
            (self.target, self.pointer, self.model) = (target, pointer, model)
        }
    }

    /// The set's name may be a pointer's: `fraud@production`.
    public var target: Target
    /// The entities' keys, by the set's spine names: lists of one length, or single values for all.
    public var entities: [String: [Value]]
    /// Request inputs by name: lists like those of `entities`, or single values for all.
    public var request: [String: [Value]]
    /// A past instant; nil asks for now.
    public var asOf: Instant?
    /// The offsets that the answer must have read, by source.
    public var minOffsets: [String: Int64]
    /// Whether the lookup log keeps a receipt of it.
    public var isLogged = false

    /// By default, a lookup at now, without request inputs.
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

    /// A request for more entities than this is refused.
    public static let maximumEntities = 10_000
}
