import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Point: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Move or show pointers: which version a name stands for, such as the one in production.",
        discussion: """
            firn point fraud@production fraud.v3 moves the pointer; lookups and snapshots may ask for fraud@production. Moving it back is the same command. \
            Without a target, shows where pointers point or, with --history, every move.
            """)

    @Argument(help: "Pointer, such as fraud@production.")
    var name: String?

    @Argument(
        help: "Version of the set or model to point to; model:churn.v3 if a set has the same name.", completion: .sets)
    var target: String?

    @Option(help: ArgumentHelp("Show where it pointed at this time.", valueName: "time"), transform: parseInstant)
    var asOf: Instant?

    @Flag(help: "Show every move, newest first.")
    var history = false

    @Flag(help: "Print as JSON.")
    var json = false

    @OptionGroup var actor: ActorOption

    func validate() throws {
        guard target == nil || asOf == nil && !history else {
            throw ValidationError("--as-of and --history look back; they go without a target.")
        }
    }

    func run() async throws {
        let store = try await Environment.store(connections: 1, actor)
        if let name, let target {
            let pointer = try await store.catalog.point(name, to: target)
            return Terminal.out(
                json
                    ? pointer.json.pretty()
                    : "\(pointer.name) points to \(pointer.target.kind.rawValue) \(pointer.target.name)")
        }
        let governance = try await store.catalog.governance(asOf: asOf)
        let all = history ? governance.moves.reversed() : governance.pointers.values.sorted { $0.name < $1.name }
        let shown = all.filter { name == nil || $0.name == name }
        if let name, shown.isEmpty {
            throw Failure("there \(asOf == nil ? "is" : "was") no pointer '\(name)'\(asOf.map { " at \($0)" } ?? "")")
        }
        if json { return Terminal.out(JSON.array(shown.map(\.json)).pretty()) }
        var table = TextTable("POINTER", "KIND", "TARGET", "SINCE", "BY")
        for pointer in shown {
            table.rows.append([
                pointer.name, pointer.target.kind.rawValue, pointer.target.name.description,
                pointer.movedAt.description, pointer.actor,
            ])
        }
        table.print()
    }
}

struct Deprecate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Mark a feature, label, set or model as on its way out, and warn everyone who uses it.")

    @Argument(help: "Name of the definition or model; set:fraud.v1 if another has the same name.", completion: .names)
    var name: String

    @Option(help: "Why it is deprecated.")
    var reason: String

    @Option(help: "What to use instead.")
    var successor: String?

    @OptionGroup var actor: ActorOption

    func run() async throws {
        let subject = try await Environment.store(connections: 1, actor).catalog.deprecate(
            name, reason: reason, successor: successor)
        Terminal.out("\(subject) is deprecated")
    }
}

struct Retire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Retire a feature, label, set or model, so that nothing new is made of it.",
        discussion:
            "What was made before still verifies, and lookups go on with a warning. Refused while a pointer, or a model that isn't retired, depends on it."
    )

    @Argument(help: "Name of the definition or model; set:fraud.v1 if another has the same name.", completion: .names)
    var name: String

    @Option(help: "Why it is retired.")
    var reason: String

    @Flag(help: "Retire it even if it is in use.")
    var force = false

    @OptionGroup var actor: ActorOption

    func run() async throws {
        let subject = try await Environment.store(connections: 1, actor).catalog.retire(
            name, reason: reason, force: force)
        Terminal.out("\(subject) is retired")
    }
}
