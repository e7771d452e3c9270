/// How fields are read, as the flags `--null`, `--epoch` and `--ignore-extra` say.
public struct ReadOptions: Sendable {
    /// One more word that means NULL where it stands unquoted, such as `NA`.
    public var null: String?
    /// The unit of times that are integers; nil where times are texts.
    public var epoch: Epoch?
    /// Whether columns that aren't asked for are passed over instead of refused.
    public var ignoresExtra: Bool

    public init(null: String? = nil, epoch: Epoch? = nil, ignoresExtra: Bool = false) {
        self.null = null
        self.epoch = epoch
        self.ignoresExtra = ignoresExtra
    }
}
