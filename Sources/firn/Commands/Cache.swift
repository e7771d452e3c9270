import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Cache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or clear data that is kept only for speed.", subcommands: [Show.self, Clear.self],
        defaultSubcommand: Show.self)

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what is kept and where.")

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let limit = try Environment.cacheLimit()
            let local = try Environment.cache().contents()
            let kept = try await Environment.store(connections: 1).log.keptForSpeed()
            if json {
                return Terminal.out(
                    JSON.object([
                        "directory": .string(Environment.cacheDirectory), "files": JSON(local.files),
                        "bytes": JSON(local.bytes), "limit": JSON(limit),
                        "segments": JSON(kept.segments), "segment_bytes": JSON(kept.segmentBytes),
                        "results": JSON(kept.results),
                    ]).pretty())
            }
            Terminal.out(
                "here      \(local.files) blocks, \(local.bytes.mebibytes) of at most \(limit.mebibytes), of every store, in \(Environment.cacheDirectory)"
            )
            Terminal.out(
                "store     \(kept.segments) segments, \(kept.segmentBytes.mebibytes) compressed; rows of \(kept.results) snapshots"
            )
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete data that is kept only for speed.",
            discussion:
                "Without a flag, deletes this machine's copies, for every store that it reads. Everything comes back with the same content when it is needed."
        )

        @Flag(help: "Delete the store's segments; firn materialize rebuilds them.")
        var segments = false

        @Flag(help: "Delete the kept rows of snapshots.")
        var results = false

        func run() async throws {
            guard segments || results else {
                let cache = try Environment.cache()
                let there = cache.contents()
                cache.clear()
                return Terminal.out(
                    "deleted \(there.files) blocks, \(there.bytes.mebibytes): this machine's copies, of every store")
            }
            let store = try await Environment.store(connections: 1)
            let kept = try await store.log.keptForSpeed()
            if segments {
                try await store.log.dropSegments()
                Terminal.out(
                    "deleted the content of \(kept.segments) segments, \(kept.segmentBytes.mebibytes): firn materialize builds it again"
                )
            }
            if results {
                try await store.log.dropResults()
                Terminal.out(
                    "deleted the rows of \(kept.results) snapshots: they are computed again when they are fetched")
            }
        }
    }
}
