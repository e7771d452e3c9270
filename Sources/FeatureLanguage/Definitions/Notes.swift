/// What people say about a definition. Notes change no value and no fingerprint.
public struct Notes: Sendable, Hashable, Codable {
    /// What the definition means, in words; nil if nobody said.
    public var description: String?
    /// Who answers for the definition, as free text; nil if nobody said.
    public var owner: String?
    /// Words by which the catalog can be filtered, in the order they are written.
    public var tags: [String]
    /// A set's bound on age: values that come from older rows are served as stale. Nil for no bound.
    public var fresh: TimeSpan?

    /// Notes that hold what is given and nothing else.
    public init(description: String? = nil, owner: String? = nil, tags: [String] = [], fresh: TimeSpan? = nil) {
        self.description = description
        self.owner = owner
        self.tags = tags
        self.fresh = fresh
    }

    /// Whether nothing is noted. Empty notes leave those registered earlier as they are.
    public var isEmpty: Bool { description == nil && owner == nil && tags.isEmpty && fresh == nil }
}
