/// How fields are read.
public struct ReadOptions: Sendable {
    /// One more word that means NULL where it stands unquoted, such as `NA`.
    public var null: String?
    /// The unit of times that are integers; nil where times are texts.
    public var epoch: Epoch?
    /// Whether columns that aren't asked for are passed over instead of refused.
    public var ignoresExtra: Bool
    /// What errors call the options that would help.
    public var names: OptionNames

    public init(null: String? = nil, epoch: Epoch? = nil, ignoresExtra: Bool = false, names: OptionNames = .none) {
        self.null = null
        self.epoch = epoch
        self.ignoresExtra = ignoresExtra
        self.names = names
    }
}

/// What options are called where somebody reads of them: flags of a command, parameters of a request; or there are none.
public enum OptionNames: Sendable {
    case none, flags, parameters

    /// A sentence about an option, `ignore-extra` say; nil where nobody could give it.
    package func advice(_ option: String, _ sentence: (String) -> String) -> String? {
        switch self {
        case .none: nil
        case .flags: sentence("--" + option)
        case .parameters: sentence("'" + String(option.map { $0 == "-" ? "_" : $0 }) + "'")
        }
    }
}
