import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Record trained models: their data, features, code, metrics and files.",
        subcommands: [Record.self, Show.self, List.self])

    struct Record: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Record a model permanently: a record never changes.")

        @Argument(help: "Name and version of the model, such as churn.v3.")
        var name: String

        @Option(help: "Id or name of a training set that the model learned from; may be repeated.")
        var snapshot: [String]

        @Option(help: "Set that the model takes in; the snapshot's by default.")
        var set: String?

        @Option(help: ArgumentHelp("Commit of the code that the model was trained with.", valueName: "SHA"))
        var commit: String?

        @Option(help: ArgumentHelp("Where to see the training run.", valueName: "URL"))
        var run: String?

        @Option(help: ArgumentHelp("Metric such as auc=0.91; may be repeated.", valueName: "name=value"))
        var metric: [String] = []

        @Option(help: ArgumentHelp("File of the model, whose digest is kept; may be repeated.", valueName: "file"))
        var artifact: [String] = []

        @Option(help: "What the model is for.")
        var description: String?

        @Flag(help: "Print the record as JSON.")
        var json = false

        @OptionGroup var actor: ActorOption

        func run() async throws {
            var request = ModelRequest(
                name, snapshots: snapshot, set: set, commit: commit, run: run, description: description)
            for text in metric {
                let parts = text.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let value = Double(parts[1]),
                    request.metrics.updateValue(value, forKey: String(parts[0])) == nil
                else {
                    throw ValidationError("'\(text)' is no metric, or is given twice; write auc=0.91.")
                }
            }
            request.artifacts = try artifact.map { try Model.Artifact(file: $0) }
            let model = try await Environment.store(connections: 1, actor).catalog.recordModel(request)
            Terminal.out(
                json
                    ? model.json.pretty()
                    : "recorded \(model.name): \(model.set) from \(model.snapshots.map(\.id).joined(separator: ", "))")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List models.")

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let store = try await Environment.store(connections: 1), governance = try await store.catalog.governance(),
                models = governance.models.values.sorted { $0.name < $1.name }
            if json { return Terminal.out(JSON.array(models.map(\.json)).pretty()) }
            var table = TextTable("NAME", "SET", "SNAPSHOTS", "METRICS", "POINTERS", "RECORDED", "BY", "")
            for model in models {
                let pointers = governance.pointers.values.filter {
                    $0.target == Pointer.Target(kind: .model, name: model.name)
                }.map(\.name).sorted()
                table.rows.append([
                    model.name.description, model.set.description, model.snapshots.map(\.id).joined(separator: ", "),
                    model.metricsText, pointers.joined(separator: ", "),
                    model.recordedAt.description, model.actor,
                    governance.stage(of: .model, model.name)?.description ?? "",
                ])
            }
            table.print()
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a model's record: data, features, code, metrics, and where it is in use.")

        @Argument(help: "Name and version of the model.")
        var name: String

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let store = try await Environment.store(connections: 1), governance = try await store.catalog.governance(),
                model = try governance.model(named: name)
            if json { return Terminal.out(model.json.pretty()) }
            func line(_ title: String, _ value: String?) { if let value { Terminal.out(title.padded(13) + value) } }
            line("model", model.name.description)
            line("description", model.description)
            line("recorded", "\(model.recordedAt) by \(model.actor)")
            line("stage", governance.stage(of: .model, model.name)?.description)
            line("set", "\(model.set)  \(model.fingerprint.short)")
            for training in model.snapshots { line("snapshot", "\(training.id)  digest \(training.digest)") }
            line("commit", model.commit)
            line("run", model.run)
            line("metrics", model.metrics.isEmpty ? nil : model.metricsText)
            for artifact in model.artifacts {
                line("artifact", "\(artifact.name)  \(artifact.bytes) bytes  sha256 \(artifact.digest)")
            }
            for pointer in governance.pointers.values.sorted(by: { $0.name < $1.name })
            where pointer.target == Pointer.Target(kind: .model, name: model.name) {
                line("pointer", "\(pointer.name) since \(pointer.movedAt)")
            }
        }
    }
}

extension Model {
    fileprivate var metricsText: String {
        metrics.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
}
