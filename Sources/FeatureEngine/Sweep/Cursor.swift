internal import FeatureLanguage

/// The sweep's state for one entity after another: it takes the entity's rows, advances from instant to instant, and
/// reads every aggregate there.
///
/// Training advances it through the instants of a spine, a lookup to a single one: the same code, so the same bits. If
/// an entity's frames are runs of its rows, aggregates that can read them as such do (`Windows`); the others, and all
/// of an entity with late rows or corrections, go row by row (`Timeline`).
struct Cursor {
    private let rows: SourceRows
    /// The states that belong to no family.
    private var alone: [Int] = []
    private let lifetimes: Lifetimes
    /// One of each per frame, shared by the aggregates that have that frame.
    private var frames: [Frame] = []
    private var timelines: [Timeline] = []
    private var windows: [Windows] = []
    private var states: [(state: any AggregateState, frame: Int)] = []
    /// Minima or maxima that are found together: over the same values, in frames with the same newer edge.
    private var families: [(family: ExtremeFamily, newer: TimeSpan, members: [(state: ExtremeState, frame: Int)])] = []

    /// - Parameters:
    ///   - rows: sorted by entity, then by (event time, `known_at`, offset).
    ///   - aggregates: each with what it needs from `rows`.
    ///   - instants: how many will be asked for in all.
    init(
        _ rows: SourceRows, _ lifetimes: Lifetimes, _ aggregates: [(aggregate: Aggregate, input: AggregateInput)],
        instants: Int
    ) {
        self.rows = rows
        self.lifetimes = lifetimes
        for (aggregate, input) in aggregates {
            if !frames.contains(aggregate.frame) {
                frames.append(aggregate.frame)
                timelines.append(Timeline())
                windows.append(Windows())
            }
            let state = makeState(aggregate, input)
            let frame = frames.firstIndex(of: aggregate.frame)!
            state.reserve(instants)
            if let family = input.family, let extreme = state as? ExtremeState {
                if let known = families.firstIndex(where: { $0.family === family && $0.newer == aggregate.frame.newer })
                {
                    families[known].members.append((extreme, frame))
                } else {
                    families.append((family, aggregate.frame.newer, [(extreme, frame)]))
                }
            } else {
                alone.append(states.count)
            }
            states.append((state, frame))
        }
    }

    /// Takes an entity's rows and records every aggregate's value at each of its instants, which must ascend.
    mutating func record(_ range: Range<Int>, at instants: ArraySlice<Int64>) {
        var waiting = Array(states.indices)
        if Windows.areRuns(rows, lifetimes, range) {
            for index in frames.indices { windows[index].find(frames[index], rows, lifetimes, range, at: instants) }
            for (family, _, members) in families {
                for (member, best) in zip(members, family.best(members.map { windows[$0.frame] }, in: range)) {
                    member.state.append(best)
                }
            }
            waiting = alone.filter { !states[$0].state.record(windows[states[$0].frame], in: range) }
            if waiting.isEmpty { return }
        }
        let used = Set(waiting.map { states[$0].frame })
        for index in used { timelines[index].begin(range, rows, lifetimes, frames[index]) }
        for index in waiting { states[index].state.begin(range) }
        for instant in instants {
            for index in used { timelines[index].advance(to: instant) }
            for index in waiting {
                let (state, frame) = states[index]
                state.leave(timelines[frame].leaving)
                state.enter(timelines[frame].entering, timelines[frame])
                state.record(at: instant)
            }
        }
    }

    // MARK: Entities whose rows come in parts

    /// What must be kept of an entity's rows once no instant before `from` will be asked for. The aggregates that see
    /// all history take in the other rows, which are never looked at again.
    func carry(_ range: Range<Int>, from: Int64) -> SourceRows {
        let unbounded = states.filter { frames[$0.frame].older == nil }
        var settled: [Int32] = [], kept: [Int32] = []
        for row in range {
            // Rows that never stand, such as a tombstone of nothing, are neither needed nor counted.
            if let until = lifetimes.until, until[row] <= lifetimes.from[row] { continue }
            let time = rows.eventTimes.isEmpty ? Int64.min : rows.eventTimes[row]
            let isSettled = frames.allSatisfy { frame in
                if let older = frame.older { return time.addingClamped(older.microseconds) <= from }
                return max(time.addingClamped(frame.newer.microseconds), lifetimes.from[row]) <= from
            }
            if isSettled { settled.append(Int32(row - range.lowerBound)) } else { kept.append(Int32(row)) }
        }
        var isPinned = Array(repeating: false, count: range.count)
        for (state, _) in unbounded { for row in state.pins(settled, in: range) { isPinned[Int(row)] = true } }
        let absorbed = settled.filter { !isPinned[Int($0)] }
        for (state, _) in unbounded { state.absorb(absorbed, in: range) }
        let pinned = settled.filter { isPinned[Int($0)] }
        return rows.gathered((pinned.map { $0 + Int32(range.lowerBound) } + kept).sorted())
    }

    /// Hands over what each aggregate has taken in; the next entity begins without it.
    mutating func handOver() -> [Any?] {
        let absorbed = states.map { $0.state.absorbed }
        inherit(absorbed.map { _ in nil })
        return absorbed
    }

    /// Continues with what another cursor over the same aggregates took in.
    func inherit(_ absorbed: [Any?]) {
        for ((state, _), absorbed) in zip(states, absorbed) { state.absorbed = absorbed }
    }

    /// The values recorded, one column for each aggregate.
    func finish() -> [Column] { states.map { $0.state.finish() } }
}
