import ArgumentParser
#if canImport(CMalloc)
    import CMalloc
#endif
import Dispatch
import FeatureServer
import FeatureStore
import Foundation
import Synchronization

@main
struct Firn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "firn",
        abstract:
            "A feature store that never forgets: features are functions, the past never changes, training equals serving.",
        version: firnBuild,
        subcommands: [
            Init.self, Check.self, PlanCommand.self, Apply.self, Eval.self, Import.self, Export.self, Materialize.self,
            Snapshot.self, Lookup.self, List.self, Show.self,
            Search.self, Why.self,
            Diff.self, DriftCommand.self, LineageCommand.self, Verify.self,
            ModelCommand.self, Point.self, Deprecate.self, Retire.self, LedgerCommand.self, Lookups.self, Erase.self,
            Serve.self, TokenCommand.self, Stop.self, Url.self,
            Migrate.self,
            Cache.self, Doctor.self,
        ])

    private static func run(_ command: any ParsableCommand) async throws {
        if var asynchronous = command as? any AsyncParsableCommand {
            try await asynchronous.run()
        } else {
            var command = command
            try command.run()
        }
    }

    /// Runs `body` until it ends. Ctrl-C cancels it, and it undoes what is incomplete; a second Ctrl-C exits at once.
    private static func stoppable(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let task = Task { try await body() }
        let pressed = Atomic(false)
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT)
        source.setEventHandler {
            if pressed.exchange(true, ordering: .relaxed) { _exit(130) }
            task.cancel()
        }
        source.resume()
        defer { source.cancel() }
        do {
            try await task.value
        } catch {
            guard pressed.load(ordering: .relaxed) else { throw error }
            Terminal.note("interrupted; nothing was changed but what was finished before")
            Foundation.exit(130)
        }
    }

    /// Keeps freed memory for reuse instead of returning it to the system, which would clear each of its pages anew:
    /// buckets of rows come and go.
    private static func keepMemory() {
        #if canImport(CMalloc)
            _ = mallopt(M_MMAP_THRESHOLD, 1 << 28)
            _ = mallopt(M_TRIM_THRESHOLD, .max)
            _ = mallopt(M_TOP_PAD, 1 << 26)
        #endif
    }

    /// Exit codes: 0 for success, 1 for a failure, 2 for a wrong command line.
    static func main() async {
        do {
            // Memory is set up before there are threads. A command isn't Sendable, so the task parses its own.
            if try parseAsRoot() is Serve {
                Heap.share()
                // The server handles Ctrl-C itself, and ends once it has answered.
                try await run(parseAsRoot())
            } else {
                keepMemory()
                try await stoppable { try await run(parseAsRoot()) }
            }
        } catch {
            Foundation.exit(Terminal.report(error))
        }
    }
}
