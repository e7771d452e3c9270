internal import FeatureLanguage

/// What an aggregate needs from the rows it reduces, computed for all of them at once.
struct AggregateInput {
    /// The argument's value for each row; nil for `count(*)`.
    var argument: Column?
    /// The x of pairs.
    var second: Column?
    /// Each row's event time, in microseconds since 1970; empty for a static source.
    var eventTimes: [Int64] = []
    /// Whether each row takes part: it passes the filter and isn't a tombstone. Nil if all do.
    var mask: [Bool]?
    /// Tombstones of a source without `id`, for a `latest` that sees them: after one, it is NULL until a newer row
    /// comes.
    var tombstones: [Bool]?
    /// The mask, minus rows whose argument is NULL if the operator skips those.
    var selection: Selection
    /// Running sums of the argument, for operators that add it up.
    var sums: RunningSums?
    /// What a `min` or `max` shares with others over the same values.
    var family: ExtremeFamily?
    /// The argument of `latest` and `earliest` if it is stored elsewhere; `argument` is nil then.
    var deferred: (any DeferredColumn)?
}
