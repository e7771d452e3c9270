internal import Foundation

/// How a file of rows is laid out and compressed. Its name says so, in upper or lower case: a format's suffix, then
/// perhaps `.gz` or `.zst`. A pipe whose name says nothing is CSV.
public struct FileFormat: Sendable, Hashable {
    /// A file format. Everything particular to it is in its `rules`, in a folder of its own.
    public enum Layout: String, Sendable, CaseIterable {
        case csv, ndjson, arrow, arrows

        var rules: FormatRules {
            switch self {
            case .csv: .csv
            case .ndjson: .ndjson
            case .arrow: .arrowFile
            case .arrows: .arrowStream
            }
        }

        /// The format that a media type stands for; nil for one that Firn doesn't read.
        public init?(mediaType: String) {
            guard let layout = Layout.allCases.first(where: { $0.rules.mediaTypes.contains(mediaType) }) else {
                return nil
            }
            self = layout
        }

        /// Whether its columns have types of their own.
        public var isTyped: Bool { rules.isTyped }
        /// Whether pushes may use it.
        public var isPushed: Bool { rules.isPushed }
    }
    /// How a file is compressed. Raw values are the suffixes of names, except for `none`.
    public enum Compression: String, Sendable { case none, gzip = "gz", zstd = "zst" }

    /// The format of the bytes once they are decompressed.
    public var layout: Layout
    /// How those bytes are compressed.
    public var compression: Compression

    /// A format that is known otherwise than by a name.
    public init(layout: Layout, compression: Compression = .none) {
        self.layout = layout
        self.compression = compression
    }

    /// The format that a path's suffixes name.
    ///
    /// - Throws: `TableError` for a name whose suffixes don't say what is in the file.
    public init(path: String) throws(TableError) {
        var name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
        compression = .none
        for compression in [Compression.gzip, .zstd] where name.hasSuffix("." + compression.rawValue) {
            self.compression = compression
            name.removeLast(compression.rawValue.utf8.count + 1)
        }
        if let layout = Layout.allCases.first(where: { $0.rules.suffixes.contains { name.hasSuffix("." + $0) } }) {
            self.layout = layout
        } else if FileFormat.isPipe(path) {
            (layout, compression) = (.csv, .none)
        } else {
            let advice =
                name.hasSuffix(".parquet")
                ? "Parquet goes in and out through Python: firn.connect(…).import_file, and to_arrow with pyarrow.parquet"
                : "name it \(FileFormat.suffixes), each also with .gz or .zst"
            throw TableError(file: path, message: "unknown kind of file", advice: advice)
        }
    }

    /// The first suffix of each format, listed as in a sentence.
    public static var suffixes: String { list(Layout.allCases.compactMap { $0.rules.suffixes.first.map { "." + $0 } }) }

    /// The first media type of each format that has one, listed as in a sentence.
    public static var mediaTypes: String { list(Layout.allCases.compactMap(\.rules.mediaTypes.first)) }

    private static func list(_ names: [String]) -> String {
        names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }

    /// Whether it is standard input or output, a pipe or a device: something that no other file can replace.
    public static func isPipe(_ path: String) -> Bool {
        if ["/dev/stdin", "/dev/stdout"].contains(path) || path.hasPrefix("/dev/fd/") { return true }
        let type =
            try? FileManager.default.attributesOfItem(
                atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)[.type] as? FileAttributeType
        return ![nil, .typeRegular, .typeDirectory].contains(type)
    }
}
