import ArgumentParser
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Tables

struct Lookup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look up an entity's features, now or as they were served at a past instant.",
        discussion: "Example: firn lookup --set fraud.v1 customer_id=42 amount=9.5")

    @Option(help: "Set to look up, or a pointer such as fraud@production.", completion: .sets)
    var set: String?

    @Option(help: "Feature to look up; may be repeated.", completion: .features)
    var feature: [String] = []

    @Argument(help: ArgumentHelp("Keys and request inputs; name= without a value is NULL.", valueName: "name=value"))
    var values: [String] = []

    @Option(help: ArgumentHelp("Look up values as of this past instant.", valueName: "time"), transform: parseInstant)
    var asOf: Instant?

    @Flag(help: "Keep the lookup, so that firn verify lookups can recompute it.")
    var log = false

    @Flag(help: "Print the answer as JSON, as the server returns it.")
    var json = false

    @OptionGroup var actor: ActorOption

    func validate() throws {
        guard (set == nil) != feature.isEmpty else { throw ValidationError("Give either --set or --feature.") }
    }

    func run() async throws {
        let store = try await Environment.store(connections: 1, actor)
        let chosen: FeatureSet
        if let set {
            chosen = try await store.catalog.set(named: set).set
        } else {
            chosen = try await store.catalog.read().resolve(features: feature)
        }
        var request = LookupRequest(set.map { .set($0) } ?? .features(feature), entities: [:], asOf: asOf)
        try request.add(values, requests: chosen.served.requests)
        request.isLogged = log
        let answer = try await store.serving.lookup(request)
        await store.serving.receipts.flush()
        for warning in answer.warnings { Terminal.note("warning: \(warning)") }
        if json { return Terminal.out(answer.json(cuts: true).pretty()) }
        var table = TextTable("FEATURE", "VALUE", "STATUS")
        for (index, name) in answer.features.enumerated() {
            table.rows.append([
                name, answer.columns[index].isNull(0) ? "" : JSON(answer.columns[index][0]).plain,
                answer.statuses[index][0].rawValue,
            ])
        }
        table.print()
        Terminal.out("as of \(answer.asOf)")
        if let receipt = answer.receipt { Terminal.out("receipt \(receipt)") }
    }
}

extension LookupRequest {
    /// Adds arguments such as `customer_id=42`: those named in `requests` as request inputs, all others as keys.
    mutating func add(_ arguments: [String], requests: [ColumnDefinition]) throws {
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw ValidationError("Values are given as name=value, not '\(argument)'.") }
            let name = String(parts[0])
            if entities[name] != nil || request[name] != nil { throw ValidationError("'\(name)' is given twice.") }
            let value: LookupRequest.Value = parts[1].isEmpty ? .json(.null) : .text(String(parts[1]))
            if requests.contains(where: { $0.name == name }) {
                request[name] = [value]
            } else {
                entities[name] = [value]
            }
        }
    }
}

extension JSON {
    /// The value as text, without quotes around a string.
    var plain: String {
        if case .string(let text) = self { text } else { description }
    }
}
