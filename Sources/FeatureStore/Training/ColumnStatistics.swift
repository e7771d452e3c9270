internal import FeatureEngine
internal import FeatureLanguage
internal import Tables

/// What a training set's column looks like: how many values there are, where they lie, which are frequent.
///
/// Counts, mean and deviation cover all rows; quantiles, histogram and top values cover at most 20,000 rows, evenly
/// spaced.
public struct ColumnStatistics: Sendable, Codable, Equatable {
    /// A frequent value.
    public struct Top: Sendable, Codable, Equatable {
        /// The value as text, cut short if it has more than 200 bytes.
        public var value: String
        /// How often it occurs in the sample.
        public var count: Int
    }

    /// How many rows the column has, NULLs included.
    public var rows = 0
    /// How many of them are NULL.
    public var nulls = 0
    /// How many numbers aren't finite; mean, deviation, quantiles and histogram leave them out.
    public var notFinite = 0
    /// The mean of the numbers, with times as seconds since 1970; nil where there are none.
    public var mean: Double?
    /// The standard deviation of the numbers, as a whole population; nil where there are none.
    public var deviation: Double?
    /// The 0th, 1st, … 100th percentile; empty where there are no numbers.
    public var quantiles: [Double] = []
    /// How many sampled numbers lie in each of 20 parts of equal width, from the smallest number to the greatest; empty
    /// where there are none.
    public var histogram: [Int] = []
    /// The most frequent values of texts, bools and whole numbers: at most 10, the most frequent first.
    public var top: [Top] = []
    /// Rows of the sample that aren't NULL.
    public var sampled = 0

    static let sample = 20_000
    private static let mostTop = 10
    private static let mostBytes = 200
    static let bins = 20

    init(_ column: Column) {
        rows = column.count
        nulls = column.validity.map { $0.count { !$0 } } ?? 0
        let step = max(1, (rows + ColumnStatistics.sample - 1) / ColumnStatistics.sample)
        let sampledRows = stride(from: 0, to: rows, by: step).filter { !column.isNull($0) }
        sampled = sampledRows.count
        switch column.values {
        case .bits, .bytes, .packed: break
        case .words(let values):
            let unit = column.type.rules.wordUnit
            describe(rows, { Double(values[$0]) / unit }, column, sampledRows)
        case .wides(let values):
            let scale = column.type.scale
            func value(_ row: Int) -> Double {
                DecimalValue(values[row], precision: DecimalValue.maximumPrecision, scale: scale).float64
            }
            describe(rows, value, column, sampledRows)
        case .floats(let values): describe(rows, { values[$0] }, column, sampledRows)
        }
        if column.type.rules.isContinuous { return }
        var counts: [Literal: Int] = [:]
        for row in sampledRows { counts[column[row], default: 0] += 1 }
        let all = counts.map { Top(value: ColumnStatistics.text($0.key), count: $0.value) }
        top = Array(all.sorted { ($1.count, $0.value) < ($0.count, $1.value) }.prefix(ColumnStatistics.mostTop))
    }

    private mutating func describe(_ rows: Int, _ value: (Int) -> Double, _ column: Column, _ sampledRows: [Int]) {
        var sum = 0.0, count = 0.0
        for row in 0..<rows where !column.isNull(row) {
            let value = value(row)
            if value.isFinite { (sum, count) = (sum + value, count + 1) } else { notFinite += 1 }
        }
        let mean = sum / count
        if count > 0, mean.isFinite {
            var squares = 0.0
            for row in 0..<rows where !column.isNull(row) {
                let difference = value(row) - mean
                if difference.isFinite { squares += difference * difference }
            }
            self.mean = mean
            if squares.isFinite { deviation = (squares / count).squareRoot() }
        }
        let sorted = sampledRows.map(value).filter(\.isFinite).sorted()
        guard let first = sorted.first, let last = sorted.last else { return }
        quantiles = (0...100).map { sorted[Int((Double(sorted.count - 1) * Double($0) / 100).rounded())] }
        var histogram = Array(repeating: 0, count: ColumnStatistics.bins)
        // Halved, so that the width of the whole range can't overflow.
        let half = last / 2 - first / 2
        for value in sorted {
            let share = half > 0 ? (value / 2 - first / 2) / half : 0
            histogram[min(ColumnStatistics.bins - 1, Int(share * Double(ColumnStatistics.bins)))] += 1
        }
        self.histogram = histogram
    }

    private static func text(_ value: Literal) -> String {
        let text = if case .string(let text) = value { text } else { JSON(value).description }
        return text.utf8.count <= mostBytes ? text : String(text.prefix(mostBytes / 4)) + "…"
    }

    /// The share of the numbers that are at most `value`, read off the percentiles.
    func share(upTo value: Double) -> Double {
        // Finds the last percentile that isn't beyond it.
        var low = 0, high = quantiles.count
        while low < high {
            let middle = (low + high) / 2
            if quantiles[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? 0 : Double(low - 1) / Double(quantiles.count - 1)
    }

    /// Whether its figures are possible ones, for statistics that are read back.
    var isWhole: Bool {
        rows >= 0 && (0...rows).contains(nulls) && sampled >= 0 && [0, 101].contains(quantiles.count)
            && [0, ColumnStatistics.bins].contains(histogram.count)
            && histogram.allSatisfy { (0...ColumnStatistics.sample).contains($0) }
    }

    var nullShare: Double { rows == 0 ? 0 : Double(nulls) / Double(rows) }
}
