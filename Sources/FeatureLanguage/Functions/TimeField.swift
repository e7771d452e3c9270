/// The fields that `extract` reads from a timestamp in UTC, as the numbers PostgreSQL gives.
public enum TimeField: String, Sendable, CaseIterable {
    case year, quarter, month, week, day, dow, isodow, doy, hour, minute, second, epoch

    /// Whether it tells the time of day, which a date has none of.
    var isOfDay: Bool {
        switch self {
        case .hour, .minute, .second: true
        case .year, .quarter, .month, .week, .day, .dow, .isodow, .doy, .epoch: false
        }
    }
}

/// The units to which `date_trunc` truncates a timestamp in UTC.
public enum TimeUnit: String, Sendable, CaseIterable {
    case year, quarter, month, week, day, hour, minute, second, milliseconds, microseconds
}
