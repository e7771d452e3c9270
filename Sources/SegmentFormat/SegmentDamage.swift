/// A sealed run isn't what it was when it was sealed.
package struct SegmentDamage: Error, CustomStringConvertible {
    package let run: Int64
    /// Which run and, if they are known, which of its segments and columns.
    package let place: String

    package init(_ source: String, _ keys: [String], _ run: Run, _ segment: Int64? = nil, _ column: String? = nil) {
        self.run = run.number
        let whose =
            "\(source) by \(keys.isEmpty ? "no key" : keys.joined(separator: ", ")) up to offset \(run.upTo) (run \(run.number))"
        place =
            "\(segment.map { "segment \($0)" } ?? "the list of segments") of \(whose)\(column.map { ", column '\($0)'," } ?? "")"
    }

    package var description: String { "\(place) isn't what it was when it was sealed" }
}
