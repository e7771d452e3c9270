internal import FeatureLanguage

// `extract` and `date_trunc`, in UTC and the Gregorian calendar.

/// - Parameter pair: the name of a field, and times.
func extract(_ pair: [Column]) -> Column {
    guard let field = constant(pair[0], TimeField.init(rawValue:)) else { return Column(.float64, [Double]()) }
    let (values, validity) = map(pair[1].integers, pair[1].validity, 0.0) { extract(field, $0) }
    return Column(.float64, values, validity: validity)
}

/// - Parameter pair: the name of a unit, and times.
func truncate(_ pair: [Column]) -> Column {
    guard let unit = constant(pair[0], TimeUnit.init(rawValue:)) else { return Column(.timestamp, [Int64]()) }
    let (values, validity) = map(pair[1].integers, pair[1].validity, 0) { time -> Int64? in
        let start = truncate(unit, time)
        return Instant.range.contains(Instant(microseconds: start)) ? start : nil
    }
    return Column(.timestamp, values, validity: validity)
}

/// What a column that repeats one text names; nil if it has no rows.
private func constant<Name>(_ texts: Column, _ name: (String) -> Name?) -> Name? {
    texts.count == 0 ? nil : name(texts.texts[0])
}

private let day = Instant.microsecondsPerDay

private func extract(_ field: TimeField, _ time: Int64) -> Double {
    let (days, rest) = time.flooredQuotientAndRemainder(dividingBy: day)
    let date = CivilDate(daysSinceEpoch: days)
    switch field {
    // There is no year 0: the year before 1 is 1 BC, which PostgreSQL extracts as −1.
    case .year: return Double(date.year > 0 ? date.year : date.year - 1)
    case .quarter: return Double((date.month - 1) / 3 + 1)
    case .month: return Double(date.month)
    case .week: return Double(isoWeek(days))
    case .day: return Double(date.day)
    case .dow: return Double(isoWeekday(days) % 7)
    case .isodow: return Double(isoWeekday(days))
    case .doy: return Double(days - CivilDate(year: date.year, month: 1, day: 1).daysSinceEpoch + 1)
    case .hour: return Double(rest / 3_600_000_000)
    case .minute: return Double(rest / 60_000_000 % 60)
    case .second: return Double(rest % 60_000_000) / 1_000_000
    case .epoch: return seconds(Int128(time))
    }
}

/// 1 for Monday to 7 for Sunday; 1970-01-01 was a Thursday.
private func isoWeekday(_ days: Int64) -> Int64 {
    (days + 3).flooredQuotientAndRemainder(dividingBy: 7).remainder + 1
}

/// The week that holds this week's Thursday, counted in that Thursday's year.
private func isoWeek(_ days: Int64) -> Int64 {
    let thursday = days - isoWeekday(days) + 4
    let year = CivilDate(daysSinceEpoch: thursday).year
    return (thursday - CivilDate(year: year, month: 1, day: 1).daysSinceEpoch) / 7 + 1
}

private func truncate(_ unit: TimeUnit, _ time: Int64) -> Int64 {
    let days = time.flooredQuotientAndRemainder(dividingBy: day).quotient
    let date = CivilDate(daysSinceEpoch: days)
    func start(_ year: Int64, _ month: Int64) -> Int64 {
        CivilDate(year: year, month: month, day: 1).daysSinceEpoch * day
    }
    func floor(_ unit: Int64) -> Int64 { time - time.flooredQuotientAndRemainder(dividingBy: unit).remainder }
    switch unit {
    case .year: return start(date.year, 1)
    case .quarter: return start(date.year, (date.month - 1) / 3 * 3 + 1)
    case .month: return start(date.year, date.month)
    case .week: return (days - isoWeekday(days) + 1) * day
    case .day: return days * day
    case .hour: return floor(3_600_000_000)
    case .minute: return floor(60_000_000)
    case .second: return floor(1_000_000)
    case .milliseconds: return floor(1000)
    case .microseconds: return time
    }
}
