internal import FeatureLanguage

/// The sweep's state for one entity after another: takes its rows, advances from instant to instant, and reads every aggregate there.
///
/// Training advances it through the instants of a spine, a lookup to a single one. The same code, so the same bits.
struct Cursor {
    private let rows: SourceRows
    private let lifetimes: Lifetimes
    /// One timeline for each frame, shared by the aggregates that have it.
    private var timelines: [(frame: Frame, timeline: Timeline)] = []
    private var states: [(state: any AggregateState, timeline: Int)] = []

    /// - Parameters:
    ///   - rows: sorted by entity, then by (event time, `known_at`, offset).
    ///   - aggregates: each with what it needs of `rows`.
    init(_ rows: SourceRows, _ lifetimes: Lifetimes, _ aggregates: [(aggregate: Aggregate, input: AggregateInput)]) {
        self.rows = rows
        self.lifetimes = lifetimes
        for (aggregate, input) in aggregates {
            if !timelines.contains(where: { $0.frame == aggregate.frame }) { timelines.append((aggregate.frame, Timeline())) }
            states.append((makeState(aggregate, input), timelines.firstIndex { $0.frame == aggregate.frame }!))
        }
    }

    /// Forgets the last entity and takes the rows of another.
    mutating func begin(_ range: Range<Int>) {
        for index in timelines.indices { timelines[index].timeline.begin(range, rows, lifetimes, timelines[index].frame) }
        for (state, _) in states { state.begin(range) }
    }

    /// Goes on to `instant`, not before the last one, and records every aggregate's value there.
    mutating func record(at instant: Int64) {
        for index in timelines.indices { timelines[index].timeline.advance(to: instant) }
        for (state, index) in states {
            state.leave(timelines[index].timeline.leaving)
            state.enter(timelines[index].timeline.entering, timelines[index].timeline)
            state.record(at: instant)
        }
    }

    /// The values recorded, a column for each aggregate.
    func finish() -> [Column] { states.map { $0.state.finish() } }
}
