import ArgumentParser
import FeatureStore
import Tables

struct Cache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at and clear what is kept only for speed.", subcommands: [Show.self, Clear.self], defaultSubcommand: Show.self)

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what is kept, and where.")

        @Flag(help: "Print it as JSON.")
        var json = false

        func run() async throws {
            let local = Environment.cache.contents()
            let kept = try await Environment.store(connections: 1).keptForSpeed()
            if json {
                return Terminal.out(
                    JSON.object([
                        "directory": .string(Environment.cacheDirectory), "files": JSON(local.files), "bytes": JSON(local.bytes), "limit": JSON(Environment.cacheLimit),
                        "segments": JSON(kept.segments), "segment_bytes": JSON(kept.segmentBytes), "results": JSON(kept.results),
                    ]).pretty())
            }
            Terminal.out("here      \(local.files) blocks, \(local.bytes.mebibytes) of at most \(Environment.cacheLimit.mebibytes), in \(Environment.cacheDirectory)")
            Terminal.out("store     \(kept.segments) segments, \(kept.segmentBytes.mebibytes) compressed; rows of \(kept.results) snapshots")
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget what is kept only for speed.", discussion: "Without a flag, the files on this machine. All of it comes back with the same content when it is needed.")

        @Flag(help: "The store's segments; firn materialize builds them again.")
        var segments = false

        @Flag(help: "The kept rows of snapshots.")
        var results = false

        func run() async throws {
            if !segments, !results { return Environment.cache.clear() }
            let store = try await Environment.store(connections: 1)
            if segments { try await store.dropSegments() }
            if results { try await store.dropResults() }
        }
    }
}
