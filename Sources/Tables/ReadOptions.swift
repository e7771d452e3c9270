internal import FeatureLanguage

/// How fields are read.
public struct ReadOptions: Sendable {
    /// Another word that means NULL when it isn't quoted, such as `NA`.
    public var null: String?
    /// The unit of times that are given as integers; nil if times are texts.
    public var epoch: Epoch?
    /// Whether columns that weren't asked for are skipped instead of refused.
    public var ignoresExtra: Bool
    /// The byte between fields of CSV.
    public var delimiter: UInt8
    /// How errors name the options that would help.
    public var names: OptionNames
    /// Reads spines that were kept before an integer's text had to be an exact float64: at that time, it was rounded.
    var isKept = false

    /// By default, plain CSV: commas, only the empty field as NULL, times as texts; columns that weren't asked for are
    /// refused.
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

    /// Reads a spine that was kept with a snapshot as it was read then.
    public static func kept(null: String? = nil, epoch: Epoch? = nil) -> ReadOptions {
        var options = ReadOptions(null: null, epoch: epoch)
        options.isKept = true
        return options
    }

    /// The delimiter that a text stands for: a printable character of ASCII or a tab, which may be written `\t`. Nil
    /// for anything else, and for a quote.
    public static func delimiter(_ text: String) -> UInt8? {
        if text == "\\t" { return UInt8(ascii: "\t") }
        guard text.utf8.count == 1, let byte = text.utf8.first,
            byte == UInt8(ascii: "\t") || (0x20..<0x7F).contains(byte), byte != UInt8(ascii: "\"")
        else { return nil }
        return byte
    }
}

/// How a reader of messages sets options: by flags of a command, by parameters of a request, or not at all.
public enum OptionNames: Sendable {
    case none, flags, parameters

    /// A sentence about an option, such as `ignore-extra`; nil if the reader can't set any.
    package func advice(_ option: String, _ sentence: (String) -> String) -> String? {
        switch self {
        case .none: nil
        case .flags: sentence("--" + option)
        case .parameters: sentence("'" + String(option.map { $0 == "-" ? "_" : $0 }) + "'")
        }
    }
}

/// The unit of times given as integers since 1970-01-01T00:00:00Z.
public enum Epoch: String, Sendable, CaseIterable {
    case seconds = "s", milliseconds = "ms", microseconds = "us"

    func instant(_ number: Int64) -> Instant? {
        let scale: Int64 = self == .seconds ? 1_000_000 : self == .milliseconds ? 1000 : 1
        let (microseconds, overflow) = number.multipliedReportingOverflow(by: scale)
        let instant = Instant(microseconds: microseconds)
        return !overflow && Instant.range.contains(instant) ? instant : nil
    }
}
