/// How fields are read.
public struct ReadOptions: Sendable {
    /// One more word that means NULL where it stands unquoted, such as `NA`.
    public var null: String?
    /// The unit of times that are integers; nil where times are texts.
    public var epoch: Epoch?
    /// Whether columns that aren't asked for are passed over instead of refused.
    public var ignoresExtra: Bool
    /// What stands between the fields of CSV.
    public var delimiter: UInt8
    /// What errors call the options that would help.
    public var names: OptionNames
    /// Reads what was kept before integers' texts had to be exact float64s: then they were rounded.
    var isKept = false

    public init(
        null: String? = nil, epoch: Epoch? = nil, ignoresExtra: Bool = false, delimiter: UInt8 = UInt8(ascii: ","),
        names: OptionNames = .none
    ) {
        self.null = null
        self.epoch = epoch
        self.ignoresExtra = ignoresExtra
        self.delimiter = delimiter
        self.names = names
    }

    /// How a spine is read that was kept with a snapshot: as it was read then.
    public static func kept(null: String? = nil, epoch: Epoch? = nil) -> ReadOptions {
        var options = ReadOptions(null: null, epoch: epoch)
        options.isKept = true
        return options
    }

    /// A delimiter as it is given: one character of ASCII, a tab perhaps as `\t`. Nil for anything else, and for what a
    /// field or a line begins or ends with.
    public static func delimiter(_ text: String) -> UInt8? {
        if text == "\\t" { return UInt8(ascii: "\t") }
        guard text.utf8.count == 1, let byte = text.utf8.first,
            byte == UInt8(ascii: "\t") || (0x20..<0x7F).contains(byte), byte != UInt8(ascii: "\"")
        else { return nil }
        return byte
    }
}

/// What options are called where somebody reads of them: flags of a command, parameters of a request; or there are
/// none.
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
