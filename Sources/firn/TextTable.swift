/// Rows of text under a heading: in aligned columns, two spaces apart, on a terminal; separated by tabs elsewhere, for
/// other programs.
struct TextTable {
    var titles: [String]
    var rows: [[String]] = []

    init(_ titles: String...) {
        self.titles = titles
    }

    func print() { Terminal.out(text(aligned: Terminal.outputIsInteractive)) }

    private func text(aligned: Bool) -> String {
        let all = [titles] + rows
        guard aligned else { return all.map { $0.joined(separator: "\t") }.joined(separator: "\n") }
        let widths = titles.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
