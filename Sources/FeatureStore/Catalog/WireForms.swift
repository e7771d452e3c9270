public import FeatureEngine
public import FeatureLanguage
public import ServingMemory
public import StoreRecord
public import StoreRows
internal import Tables

// What the CLI's --json and the HTTP API say alike.

extension LookupAnswer {
    /// - Parameter cuts: whether to say how far each source's log was read.
    public func json(cuts: Bool) -> JSON {
        var bytes: [UInt8] = []
        write(to: &bytes, cuts: cuts)
        guard let json = try? JSON(parsing: bytes) else { preconditionFailure("an answer that isn't JSON") }
        return json
    }
}

extension PlanOutline {
    /// Groups with their aggregates, and the outputs over them.
    public var json: JSON {
        .object([
            "groups": .array(
                groups.map { group in
                    .object([
                        "source": .string(group.source),
                        "keys": .object(group.keys.map { JSON.Member($0.column, .string($0.spine)) }),
                        "mode": .string(group.mode.rawValue),
                        "aggregates": .array(group.steps.map(\.json)),
                    ])
                }),
            "outputs": .array(
                outputs.map {
                    .object([
                        "name": .string($0.name), "kind": .string($0.kind.rawValue), "type": .string($0.type.rawValue),
                        "expression": .string($0.text),
                        "grows_with_history": .bool(!$0.growing.isEmpty),
                    ])
                }),
        ])
    }
}

extension PlanOutline.Step {
    fileprivate var json: JSON {
        let (state, reason): (String, String?) =
            switch state {
            case .constant: ("constant", nil)
            case .window: ("window", nil)
            case .waiting: ("waiting", nil)
            case .history(let reason): ("history", reason)
            }
        return .object([
            "id": .string(id), "aggregate": .string(text), "window": .string(window),
            "used_by": .array(usedBy.map { .string($0) }), "state": .string(state),
            "reason": JSON(reason),
        ])
    }
}

extension WhyAnswer {
    /// The value, and each aggregate with the rows that counted and those that didn't.
    public var json: JSON {
        .object([
            "feature": .string(function.name.description),
            "inputs": .object(inputs.map { JSON.Member($0.name, JSON($0.value)) }), "as_of": .string(asOf.description),
            "value": JSON(value), "expression": .string(plan.outputs[0].text),
            "overrides": .array(overrides.map { .string($0) }),
            "aggregates": .array(zip(plan.groups.flatMap(\.steps), explanations).map { $1.json(id: $0.id) }),
            "cuts": .object(cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }),
        ])
    }
}

extension Explanation {
    fileprivate func json(id: String) -> JSON {
        func json(_ row: Row) -> JSON {
            .object([
                "event_time": JSON(row.eventTime?.description), "known_at": JSON(row.knownAt?.description),
                "offset": JSON(row.offset),
                "values": .object(row.values.map { JSON.Member($0.name, JSON($0.value)) }),
                "verdict": .string(row.verdict.code), "reason": .string(reason(row)),
            ])
        }
        return .object([
            "id": .string(id), "aggregate": .string(aggregate.text), "value": JSON(value),
            "source": .string(source.name),
            "keys": .object(keys.map { JSON.Member($0.column, JSON($0.value)) }), "mode": .string(mode.rawValue),
            "after": JSON(after?.description),
            "up_to": .string(upTo.description), "counted": JSON(countedTotal), "rows": .array(counted.map(json)),
            "missed": .array(missed.map(json)),
        ])
    }
}

extension Comparison {
    /// Both definitions part by part, and what of the sample differs.
    public var json: JSON {
        .object([
            "left": .string(left.name.description), "right": .string(right.name.description),
            "parts": .array(
                parts.map {
                    .object([
                        "part": .string($0.name), "left": .string($0.left), "right": .string($0.right),
                        "same": .bool($0.left == $0.right),
                    ])
                }),
            "sample": JSON(sample), "obstacle": JSON(obstacle), "rows": JSON(rows), "different": JSON(different),
            "null_in_left_alone": JSON(onlyLeftNull),
            "null_in_right_alone": JSON(onlyRightNull), "null_in_both": JSON(bothNull),
            "median_difference": median.map { JSON(.float64($0)) } ?? .null,
            "greatest_difference": greatest.map { JSON(.float64($0)) } ?? .null,
            "examples": .array(
                examples.map {
                    .object([
                        "keys": .object($0.keys.map { JSON.Member($0.name, JSON($0.value)) }),
                        "as_of": .string($0.instant.description), "left": JSON($0.left),
                        "right": JSON($0.right),
                    ])
                }),
        ])
    }
}

extension Manifest {
    /// - Parameter whole: with the hashes of every block.
    public func json(whole: Bool) -> JSON {
        var members: KeyValuePairs<String, JSON> {
            [
                "id": .string(id), "name": JSON(name), "set": .string(set.description),
                "fingerprint": .string(fingerprint.description), "mode": .string(mode.rawValue),
                "known_by": JSON(knownBy),
                "rows": JSON(rows), "digest": .string(digest), "created_at": .string(createdAt),
                "actor": .string(actor), "engine": .string(engine),
                "cuts": .object(cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }),
                "spine": .object(["digest": .string(spine.digest), "timestamp": .string(spine.timestamp)]),
                "at": JSON(at),
                "split": split.map { split in
                    .object([
                        "parts": .object(split.parts.map { JSON.Member($0.name, JSON(.float64($0.share))) }),
                        "by": .array(split.by.map { .string($0) }),
                        "hash": .string(split.hash ?? "split 1"),
                    ])
                } ?? .null,
                "outputs": .array(
                    outputs.map {
                        .object([
                            "name": .string($0.name), "function": .string($0.function.description),
                            "kind": .string($0.kind.rawValue), "type": .string($0.type.rawValue),
                            "fingerprint": .string($0.fingerprint.description),
                        ])
                    }),
            ]
        }
        guard whole, case .object(let plain) = JSON.object(members) else { return .object(members) }
        let blocks = blocks.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
        return .object(plain + [JSON.Member("blocks", .object(blocks))])
    }
}

extension Model {
    /// A recorded model: what it takes in, what it was trained on, and what was measured.
    public var json: JSON {
        .object([
            "name": .string(name.description), "set": .string(set.description),
            "fingerprint": .string(fingerprint.description),
            "snapshots": .array(snapshots.map { .object(["id": .string($0.id), "digest": .string($0.digest)]) }),
            "commit": JSON(commit), "run": JSON(run),
            "metrics": .object(
                metrics.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON(.float64($0.value))) }),
            "artifacts": .array(
                artifacts.map {
                    .object(["name": .string($0.name), "digest": .string($0.digest), "bytes": JSON($0.bytes)])
                }),
            "description": JSON(description), "recorded_at": .string(recordedAt.description), "actor": .string(actor),
        ])
    }
}

extension Pointer {
    /// Where it points, since when, and who moved it.
    public var json: JSON {
        .object([
            "name": .string(name), "kind": .string(target.kind.rawValue), "target": .string(target.name.description),
            "moved_at": .string(movedAt.description),
            "actor": .string(actor),
        ])
    }
}

extension RegistrationPlan {
    /// - Parameter comparisons: of new versions with the ones before.
    public func json(_ comparisons: [Comparison] = []) -> JSON {
        .object([
            "steps": .array(
                steps.map { step in
                    var change = "", detail: JSON = .null
                    switch step.change {
                    case .new: change = "new"
                    case .unchanged: change = "unchanged"
                    case .notes: change = "notes"
                    case .extended(let columns): (change, detail) = ("extended", .array(columns.map { .string($0) }))
                    case .refused(let reason, let advice):
                        (change, detail) = ("refused", .object(["reason": .string(reason), "advice": .string(advice)]))
                    }
                    return .object([
                        "kind": .string(step.definition.kind.rawValue), "name": .string(step.definition.name),
                        "change": .string(change),
                        "fingerprint": .string(step.fingerprint.description), "detail": detail,
                        "stage": JSON(step.stage),
                    ])
                }), "unlisted": .array(unlisted.map { .string($0) }), "warnings": .array(warnings.map { .string($0) }),
            "comparisons": .array(comparisons.map(\.json)),
        ])
    }
}

extension SnapshotComparison {
    /// What differs: settings, outputs, cuts, rows and, by output, values.
    public var json: JSON {
        .object([
            "left": .string(left.id), "right": .string(right.id), "same": .bool(isSame),
            "settings": .array(settings.map { .string($0) }),
            "outputs": .array(
                outputs.map { .object(["name": .string($0.name), "left": JSON($0.left), "right": JSON($0.right)]) }),
            "cuts": .array(
                cuts.map { .object(["source": .string($0.source), "left": JSON($0.left), "right": JSON($0.right)]) }),
            "rows": .object(["common": JSON(common), "only_left": JSON(onlyLeft), "only_right": JSON(onlyRight)]),
            "values": .array(
                values.map {
                    .object([
                        "output": .string($0.output), "rows": JSON($0.rows), "first_row": JSON($0.firstRow),
                        "left": JSON($0.left), "right": JSON($0.right),
                    ])
                }),
        ])
    }
}

extension ColumnStatistics {
    /// Counts and quantiles; null for what doesn't exist without numbers.
    public var json: JSON {
        func number(_ value: Double?) -> JSON { value.map { JSON(.float64($0)) } ?? .null }
        return .object([
            "rows": JSON(rows), "nulls": JSON(nulls), "not_finite": JSON(notFinite), "mean": number(mean),
            "deviation": number(deviation),
            "quantiles": .array(quantiles.map { number($0) }), "histogram": .array(histogram.map { JSON($0) }),
            "top": .array(top.map { .object(["value": .string($0.value), "count": JSON($0.count)]) }),
            "sampled": JSON(sampled),
        ])
    }
}

extension Drift {
    /// - Parameters:
    ///   - beyond: features that are beyond a bound.
    ///   - tooFew: features of which there are too few rows to tell.
    public func json(beyond: [String], tooFew: [String]) -> JSON {
        .object([
            "left": .string(left), "right": .string(right), "passes": .bool(beyond.isEmpty),
            "features": .array(
                features.map {
                    .object([
                        "name": .string($0.name), "psi": JSON(.float64($0.stability)),
                        "ks": $0.distance.map { JSON(.float64($0)) } ?? .null,
                        "redefined": .bool($0.isRedefined), "beyond": .bool(beyond.contains($0.name)),
                        "too_few": .bool(tooFew.contains($0.name)), "left": $0.left.json,
                        "right": $0.right.json,
                    ])
                }), "alone": .array(alone.map { .string($0) }),
        ])
    }
}

extension ReplayedLookups {
    /// How many lookups and values were computed again, how many differ, and the first that does.
    public var json: JSON {
        .object([
            "lookups": JSON(lookups), "values": JSON(values), "differences": JSON(differences),
            "first": first.map { .object(["receipt": .string($0.receipt), "what": .string($0.what)]) } ?? .null,
        ])
    }
}

extension Lineage {
    /// The nodes that are reached, and what leads from one to another.
    public func json(_ directions: [Direction]) -> JSON {
        let nodes = reached(directions)
        return .object([
            "roots": .array(roots.map { .string($0.description) }),
            "nodes": .array(
                nodes.map {
                    .object([
                        "id": .string($0.description), "kind": .string($0.kind.rawValue), "name": .string($0.name),
                        "text": JSON(texts[$0]),
                    ])
                }),
            "edges": .array(
                edges(among: nodes).map { .object(["from": .string($0.description), "to": .string($1.description)]) }),
        ])
    }

    /// The graph in the language of Graphviz.
    public func graphviz(_ directions: [Direction]) -> String {
        let nodes = reached(directions)
        var lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box, fontname=\"sans-serif\"];"]
        for node in nodes {
            lines.append(
                "  \(JSON.string(node.description)) [label=\(JSON.string("\(node.kind.rawValue)\n\(node.name)"))\(roots.contains(node) ? ", style=bold" : "")];"
            )
        }
        for (from, to) in edges(among: nodes) {
            lines.append("  \(JSON.string(from.description)) -> \(JSON.string(to.description));")
        }
        return (lines + ["}"]).joined(separator: "\n")
    }

    private func edges(among nodes: [Node]) -> [(Node, Node)] {
        let known = Set(nodes)
        return nodes.flatMap { node in (children[node] ?? []).filter(known.contains).map { (node, $0) } }
    }
}

extension Erasure {
    /// How much was erased, of which kind, and the ledger's entry of it; the entry is null for a trial.
    public var json: JSON {
        .object([
            "entity": .string(entity),
            "rows": .object(rows.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }),
            "batches": JSON(batches),
            "spine_rows": JSON(spineRows), "snapshots": .array(snapshots.map { .string($0) }),
            "receipts": JSON(receipts), "values": .array(values.map { .string($0) }),
            "runs": JSON(runs), "entry": entry.map { JSON($0) } ?? .null,
        ])
    }
}

extension Verification {
    /// Whether the snapshot came out the same, and what differs if not.
    public var json: JSON {
        .object([
            "id": .string(manifest.id), "identical": .bool(isIdentical), "digest": .string(manifest.digest),
            "rows": JSON(manifest.rows),
            "faults": .array(faults.map { .string($0.description) }),
            "erased": .array(
                erased.map { .object(["first_row": JSON($0.lowerBound), "last_row": JSON($0.upperBound)]) }),
        ])
    }
}

extension ImportedWatermark {
    /// `next` says what isn't found: rows that are committed later with a smaller value.
    public var json: JSON {
        .object([
            JSON.Member("column", .string(column)), JSON.Member("from", from.map { JSON($0) } ?? .null),
            JSON.Member("held_back", JSON(heldBack)),
            JSON.Member("next_from", next.map { JSON($0) } ?? .null),
            JSON.Member("not_found", .string("rows that are committed later with a \(column) before next_from")),
        ])
    }
}

extension SourceFigures {
    /// Delays in microseconds.
    public var json: JSON {
        .object([
            "loaded": JSON(rows), "batches": JSON(batches), "bytes": JSON(bytes),
            "delay": delay.map {
                .object(["median_us": JSON($0.median.microseconds), "p95_us": JSON($0.high.microseconds)])
            } ?? .null,
        ])
    }
}

extension StoreLog.Imported {
    /// What an import did, for the command line and over HTTP; with a watermark where a query went by one.
    public var json: JSON {
        let members = [
            JSON.Member("rows", JSON(rows)), JSON.Member("duplicates", JSON(duplicates)),
            JSON.Member("last_offset", JSON(lastOffset)), JSON.Member("warnings", .array(warnings.map { .string($0) })),
        ]
        return .object(members + (watermark.map { [JSON.Member("watermark", $0.json)] } ?? []))
    }
}
