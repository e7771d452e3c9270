import FeatureEngine
import FeatureLanguage
import Testing

@Suite struct DuplicateTests {
    private static let source = Source(
        name: "s", columns: [.init("fact", .int64), .init("known", .timestamp), .init("time", .timestamp)],
        eventTime: "time", id: ["fact"], knownAt: .column("known"))

    /// Equal rows of one fact that are known at these times, in the order of their arrival.
    private func duplicates(knownAt: [Int64]) -> [Bool] {
        let time = Literal.timestamp(Instant(microseconds: 0)), count = knownAt.count
        var rows = SourceRows(
            importing: Table([
                ("fact", Column(.int64, [Int64](repeating: 1, count: count))),
                ("known", Column(repeating: .null, type: .timestamp, count: count)),
                ("time", Column(repeating: time, type: .timestamp, count: count)),
            ]), into: DuplicateTests.source)
        rows.knownAt = knownAt
        return Duplicates(rows, of: DuplicateTests.source).isDuplicate
    }

    @Test func `a row that says since when a fact is known is no duplicate of one that didn't`() {
        #expect(duplicates(knownAt: [SourceRows.unknown, 7]) == [false, false])
        #expect(duplicates(knownAt: [SourceRows.unknown, 7, 9]) == [false, false, true])
        #expect(duplicates(knownAt: [SourceRows.unknown, SourceRows.unknown]) == [false, true])
    }
}
