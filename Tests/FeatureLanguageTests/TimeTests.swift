import FeatureLanguage
import TestSupport
import Testing

@Suite struct InstantTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59.999999Z", -1), ("2024-02-29", 1_709_164_800_000_000),
        ("2024-05-01 09:30:00", 1_714_555_800_000_000),
        ("2024-05-01T09:30:00.5+02:00", 1_714_548_600_500_000), ("2024-05-01T09:30-0230", 1_714_564_800_000_000),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000_000),
    ])
    func `a time is read`(text: String, microseconds: Int64) {
        #expect(Instant(text: text)?.microseconds == microseconds)
    }

    @Test(arguments: [
        "", "2024", "2024-2-01", "2024-02-30", "2023-02-29", "2024-13-01", "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.1234567Z",
        "2024-01-01T00:00:00X", "2024-01-01T", "999999-01-01", "2024-01-01T00:00:00Z ", "-294000-01-01",
        "-004714-01-01", "294247-01-01", "٢٠٢٤-01-01",
    ])
    func `what is no time is none`(text: String) {
        #expect(Instant(text: text) == nil)
    }

    @Test func `text and instant go both ways`() {
        var random = Randomness(seed: 3)
        for _ in 0..<20_000 {
            let instant = Instant(
                microseconds: Int64.random(in: -60_000_000_000_000_000...200_000_000_000_000_000, using: &random))
            #expect(Instant(text: instant.description) == instant)
        }
    }

    @Test func `days count on without a gap`() {
        var last = CivilDate(daysSinceEpoch: -1_000_001)
        for day in Int64(-1_000_000)...1_000_000 {
            let date = CivilDate(daysSinceEpoch: day)
            guard date.daysSinceEpoch == day,
                date.day == last.day + 1
                    || date.day == 1 && last.day == CivilDate.days(inMonth: last.month, year: last.year)
            else {
                Issue.record("day \(day): \(date)")
                return
            }
            last = date
        }
    }
}

@Suite struct TimeSpanTests {
    @Test(arguments: [
        ("7d", "7d"), ("1w", "7d"), ("90m", "90m"), ("120s", "2m"), ("1500ms", "1500ms"), ("1us", "1us"), ("24h", "1d"),
    ])
    func `a span has one shortest spelling`(text: String, spelling: String) {
        #expect(TimeSpan(text: text)?.description == spelling)
    }

    @Test(arguments: [
        ("14 days", "14d"), ("1 week 2 hours", "170h"), ("1.5 hours", "90m"), ("02:30:00", "150m"), ("-1 day", "-1d"),
        ("1d 12h", "36h"), ("90", "90s"),
    ])
    func `an interval is read as PostgreSQL reads it`(text: String, spelling: String) {
        #expect(TimeSpan(interval: text)?.description == spelling)
    }

    @Test(arguments: [
        "", "1 month", "day", "1 fortnight", "1.2.3 days", "99999999999999 weeks", "106751991.9 days",
        "-9223372036854775807 us -1 us",
    ])
    func `what is no fixed time is none`(text: String) {
        #expect(TimeSpan(interval: text) == nil)
    }
}
