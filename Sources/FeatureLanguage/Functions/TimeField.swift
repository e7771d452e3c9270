/// The fields that `extract` reads from a timestamp in UTC, as the numbers PostgreSQL gives.
public enum TimeField: String, Sendable, CaseIterable {
    case year, quarter, month, week, day, dow, isodow, doy, hour, minute, second, epoch
}

/// The units to which `date_trunc` truncates a timestamp in UTC.
public enum TimeUnit: String, Sendable, CaseIterable {
    case year, quarter, month, week, day, hour, minute, second, milliseconds, microseconds
}
