import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Materialize: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Seal rows into segments, so that training reads them fast.",
        discussion:
            "For each source and key that a registered feature or label uses, the rows since the last run become segments: sorted by key and time, column by column, compressed. Training reads segments and the rows since then. If interrupted, keeps what is done."
    )

    @Option(help: "Seal only this source; may be repeated.")
    var source: [String] = []

    @Option(help: "Refresh this set's table of current values, firn_values.<set>, instead; may be repeated.")
    var set: [String] = []

    @Option(
        help:
            "From now on, keep this set's entities as servers hold them in memory; may be repeated. Sets that a server was asked for are kept anyway."
    )
    var online: [String] = []

    @Flag(help: "Rebuild all segments, and check that they come out the same.")
    var rebuild = false

    @Flag(help: "Print what was sealed as JSON.")
    var json = false

    func validate() throws {
        guard set.isEmpty || source.isEmpty && online.isEmpty && !rebuild else {
            throw ValidationError("--set goes without --source, --online and --rebuild.")
        }
    }

    func run() async throws {
        if !set.isEmpty { return try await refreshValues() }
        let progress = Progress("materialize")
        defer { progress.end() }
        let options = StoreLog.MaterializeOptions(sources: source.isEmpty ? nil : source, rebuilds: rebuild)
        let start = ContinuousClock.now
        let store = try await Environment.store(connections: 1)
        let done = try await store.log.materialize(options) {
            progress.show($0, rows: $1, share: $2 > 0 ? Double($1) / Double($2) : nil)
        }
        let kept = try await store.serving.keepOnline(online)
        progress.end()
        if json {
            return Terminal.out(
                JSON.array(
                    done.map {
                        .object([
                            "source": .string($0.source), "keys": .array($0.keys.map { .string($0) }),
                            "rows": JSON($0.rows), "up_to": JSON($0.upTo),
                            "segments": JSON($0.segments), "bytes": JSON($0.bytes),
                        ])
                    }
                ).pretty())
        }
        for part in kept {
            Terminal.out(
                "\(part.source) by \(part.keys.isEmpty ? "no key" : part.keys.joined(separator: ", ")): \(part.entities) entities kept for servers, up to offset \(part.upTo)"
            )
        }
        if done.isEmpty { return Terminal.out("nothing to seal") }
        let rows = done.reduce(0) { $0 + $1.rows }
        for part in done {
            let key = part.keys.isEmpty ? "no key" : part.keys.joined(separator: ", ")
            Terminal.out(
                "\(part.source) by \(key): \(part.rows) rows in \(part.segments) segments, up to offset \(part.upTo) (\(part.bytes.mebibytes))"
            )
        }
        Terminal.out("\(Int(Double(rows) / max((ContinuousClock.now - start).seconds, 0.001))) rows/s")
    }

    private func refreshValues() async throws {
        let store = try await Environment.store(connections: 1)
        var refreshed: [RefreshedValues] = []
        for name in set { refreshed.append(try await store.serving.refreshValues(of: name)) }
        if json {
            return Terminal.out(
                JSON.array(
                    refreshed.map {
                        .object([
                            "table": .string($0.table), "refreshed": JSON($0.refreshed), "entities": JSON($0.entities),
                            "as_of": .string($0.asOf.description),
                        ])
                    }
                ).pretty())
        }
        for values in refreshed {
            Terminal.out(
                "\(values.table): \(values.refreshed) of \(values.entities) entities refreshed, as of \(values.asOf)")
        }
    }
}

extension Int {
    /// A number of bytes in a form for people to read.
    var mebibytes: String { "\(Double(self * 10 / (1 << 20)) / 10) MiB" }
}
