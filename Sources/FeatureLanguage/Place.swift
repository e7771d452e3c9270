/// A position in a text. Lines and columns count from 1, columns in Unicode scalars.
public struct Place: Sendable, Hashable, Comparable {
    /// The number of the line, from 1.
    public var line: Int
    /// The Unicode scalar within the line, from 1.
    public var column: Int

    /// A position whose line and column both count from 1.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    public static func < (left: Place, right: Place) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// The known name nearest to an unknown one, for "did you mean"; nil if none is near.
///
/// If a version of the same name is known, it is the newest one, whatever version the unknown name has, if any.
/// Otherwise at most two edits may lie between the names (one if the unknown name is short), or a third of its length.
public func nearestName(to name: String, among known: some Sequence<String>) -> String? {
    let base = VersionedName(name)?.name ?? name
    if let newest = known.compactMap({ VersionedName($0) }).filter({ $0.name == base }).max() {
        return newest.description
    }
    let length = name.unicodeScalars.count
    let limit = length < 5 ? 1 : max(2, length / 3)
    return known.map { ($0, editDistance(name, $0)) }.filter { $0.1 <= limit }.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
}

/// Levenshtein distance, ignoring case, by Wagner and Fischer's algorithm with a single row.
private func editDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left.lowercased().unicodeScalars), right = Array(right.lowercased().unicodeScalars)
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, b) in right.enumerated() {
            let substitution = diagonal + (a == b ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substitution, row[j] + 1, diagonal + 1)
        }
    }
    return row[right.count]
}

/// Advice on an unknown name: "did you mean spend_7d.v1?", or a list of the first known names.
func suggestion(for name: String, among known: [String], what: String) -> String {
    if let near = nearestName(to: name, among: known) { return "did you mean \(near)?" }
    if known.isEmpty { return "there are no \(what) yet" }
    let shown = known.sorted().prefix(8).joined(separator: ", ")
    return "known \(what): \(shown)\(known.count > 8 ? ", …" : "")"
}
