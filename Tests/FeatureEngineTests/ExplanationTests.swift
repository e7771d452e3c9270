import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// What `why` says of each row agrees with the rules of time applied literally.
@Suite struct ExplanationTests {
    @Test(arguments: 0..<10)
    func `rows count and miss for the reasons that the rules give`(round: Int) throws {
        for seed in UInt64(round * 30)..<UInt64(round * 30 + 30) {
            var random = Randomness(seed: seed)
            var trial = Trial(&random)
            trial.spine = Array(trial.spine.prefix(6))
            for index in trial.spine.indices {
                var one = trial
                one.spine = [trial.spine[index]]
                if one.spine[0].keys.contains(.null) { continue }
                try check(one, seed: seed)
            }
        }
    }

    private func check(_ trial: Trial, seed: UInt64) throws {
        let (plan, rows, spine) = try trial.compiled()
        let (outputs, explanations) = plan.explain(spine, trial.reading, limit: 1000) { _ in rows }
        let naive = NaiveStore(trial)
        var reading = trial.reading
        if trial.isLabel { reading.mode = .hindsight }
        let (key, instant) = trial.spine[0]
        let standing = Set(naive.standing(at: instant, reading).map(\.offset))
        let admitted = Set(naive.admitted(at: instant, reading).map(\.offset))
        let byOffset = Dictionary(uniqueKeysWithValues: naive.rows.map { ($0.offset, $0) })
        // In the order of the plan's outline, each with the value that the outputs are computed from.
        #expect(explanations.map(\.aggregate.text) == plan.outline.groups.flatMap(\.steps).map(\.text))
        for (output, column) in zip(plan.outline.outputs, outputs.columns) where !trial.isLabel {
            let step = plan.outline.groups.flatMap(\.steps).firstIndex { $0.id == output.text }
            #expect(
                step.map { Trial.isSame(explanations[$0].value, column[0]) } == true, "seed \(seed): \(output.text)")
        }
        for explanation in explanations {
            func inFrame(_ row: NaiveStore.Row) -> Bool {
                explanation.after.map { row.eventTime > $0.microseconds } ?? true
                    && row.eventTime <= explanation.upTo.microseconds
            }
            func isOurs(_ row: NaiveStore.Row) -> Bool { zip(trial.keys, key).allSatisfy { row.values[$0] == $1 } }
            var expected: Set<Int64> = []
            for row in naive.rows where standing.contains(row.offset) && isOurs(row) && inFrame(row) {
                let passes = explanation.aggregate.filter == nil || Trial.isPositive(row.values["i"]!)
                let seesTombstones =
                    trial.source.id.isEmpty && explanation.aggregate.operator == .latest
                    && explanation.aggregate.filter == nil
                if passes, !row.isTombstone || seesTombstones { expected.insert(row.offset) }
            }
            #expect(Set(explanation.counted.map(\.offset)) == expected, "seed \(seed): \(explanation.aggregate.text)")
            #expect(explanation.countedTotal == expected.count)
            // Every row whose fact ever had these keys is named, up to the cut.
            func fact(_ row: NaiveStore.Row) -> [Literal] {
                trial.source.id.isEmpty ? [.int64(row.offset)] : trial.source.id.map { row.values[$0]! }
            }
            let concerned = Set(naive.rows.filter(isOurs).map(fact))
            let named = naive.rows.filter {
                $0.offset <= trial.reading.cuts["s"] ?? .max && concerned.contains(fact($0))
            }.map(\.offset)
            #expect(
                Set(explanation.counted.map(\.offset) + explanation.missed.map(\.offset)) == Set(named),
                "seed \(seed): \(explanation.aggregate.text)")
            for row in explanation.counted {
                #expect(
                    (row.verdict == .takesBack) == byOffset[row.offset]!.isTombstone,
                    "seed \(seed): \(explanation.aggregate.text), offset \(row.offset)")
            }
            // The row that decides comes first, so that it is there however few are asked for.
            if [.latest, .earliest, .min, .max].contains(explanation.aggregate.operator),
                case .column(let name, _)? = explanation.aggregate.argument,
                let first = explanation.counted.first, explanation.value != .null
            {
                let value = first.values.first { $0.name == name }?.value
                #expect(
                    value.map { Trial.isSame($0, explanation.value) } == true,
                    "seed \(seed): \(explanation.aggregate.text)")
            }
            for row in explanation.missed {
                let naiveRow = try #require(byOffset[row.offset])
                let isRight =
                    switch row.verdict {
                    case .counted, .skipped, .takesBack: false
                    case .neverKnown: naiveRow.knownAt == nil && !admitted.contains(row.offset)
                    case .notYetKnown: naiveRow.knownAt.map { $0 > instant } ?? false
                    case .knownAfter(let limit): naiveRow.knownAt.map { $0 > limit.microseconds } ?? false
                    case .replaced(let other, let isTombstone):
                        admitted.contains(row.offset) && !standing.contains(row.offset) && admitted.contains(other)
                            && byOffset[other]?.isTombstone == isTombstone
                            && (standing.contains(other) || isTombstone)
                    case .isTombstone: naiveRow.isTombstone && admitted.contains(row.offset)
                    case .otherEntity: standing.contains(row.offset) && !isOurs(naiveRow)
                    case .tooOld, .tooNew: standing.contains(row.offset) && isOurs(naiveRow) && !inFrame(naiveRow)
                    case .filtered:
                        standing.contains(row.offset) && isOurs(naiveRow) && inFrame(naiveRow)
                            && !Trial.isPositive(naiveRow.values["i"]!)
                    }
                #expect(isRight, "seed \(seed): \(explanation.aggregate.text), offset \(row.offset): \(row.verdict)")
            }
        }
    }
}
