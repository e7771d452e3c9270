import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Point: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say which version a name stands for, such as the one in production.",
        discussion: """
            firn point fraud@production fraud.v3 moves the pointer; lookups and snapshots may ask for fraud@production. Moving back is the same command. \
            Without a target it shows where pointers point, and with --history every move.
            """)

    @Argument(help: "The pointer, such as fraud@production.")
    var name: String?

    @Argument(help: "A version of the set or model; model:churn.v3 where a set has the name too.", completion: .sets)
    var target: String?

    @Option(help: ArgumentHelp("Where it pointed then.", valueName: "time"), transform: parseInstant)
    var asOf: Instant?

    @Flag(help: "Every move, the newest first.")
    var history = false

    @Flag(help: "Print it as JSON.")
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
        abstract: "Say of a feature, label, set or model that it is on its way out: whoever uses it is told.")

    @Argument(help: "Its name; set:fraud.v1 where another has the name too.", completion: .names)
    var name: String

    @Option(help: "Why.")
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
        abstract: "End the life of a feature, label, set or model: nothing new is made of it.",
        discussion:
            "What was made before still verifies, and lookups go on with a warning. Refused while a pointer, or a model that isn't retired, hangs on it."
    )

    @Argument(help: "Its name; set:fraud.v1 where another has the name too.", completion: .names)
    var name: String

    @Option(help: "Why.")
    var reason: String

    @Flag(help: "Though it is in use.")
    var force = false

    @OptionGroup var actor: ActorOption

    func run() async throws {
        let subject = try await Environment.store(connections: 1, actor).catalog.retire(
            name, reason: reason, force: force)
        Terminal.out("\(subject) is retired")
    }
}
