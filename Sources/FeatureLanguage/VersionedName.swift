/// The name of a feature, label or set with its version: `spend_7d.v1`.
public struct VersionedName: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    /// The plain name, without the version.
    public var name: String
    /// The version, from 1 to 1,000,000.
    public var version: Int

    /// Takes both parts unchecked; reading them from a text checks them.
    public init(name: String, version: Int) {
        self.name = name
        self.version = version
    }

    /// Reads `name.vN`, with N from 1 to 1,000,000 and no leading zeros. Nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let dot = text.lastIndex(of: "."), text[text.index(after: dot)...].first == "v" else { return nil }
        let digits = text[text.index(dot, offsetBy: 2)...]
        guard let version = Int(digits), version >= 1, String(version) == digits, version <= 1_000_000,
            Identifier.isPlain(text[..<dot])
        else { return nil }
        self.init(name: String(text[..<dot]), version: version)
    }

    public var description: String { "\(name).v\(version)" }

    public static func < (left: VersionedName, right: VersionedName) -> Bool {
        (left.name, left.version) < (right.name, right.version)
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let name = VersionedName(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a versioned name"))
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
