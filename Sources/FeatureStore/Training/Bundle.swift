internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
internal import StoreRows
internal import Tables

/// A snapshot as one file: definitions, the rows that it reads, spine, manifest. Its rows come back from it alone,
/// without a database.
///
/// A tar archive:
///
///     README.txt         how to compute it by hand
///     bundle.json        the engine's build, the ledger's entry, blocks that have since lost rows to an erasure
///     manifest.json      as it was recorded
///     definitions.yaml   the set and all it is made of, with the columns that are read
///     spine.csv.zst      or spine.arrows.zst
///     rows/SOURCE.arrows.zst
public struct SnapshotBundle: Sendable {
    /// The snapshot's manifest, as it was recorded.
    public let manifest: Manifest
    private let about: About
    private let directory: TemporaryDirectory

    struct About: Codable, Sendable {
        var format: String
        var build: String
        /// The snapshot's entry in the ledger, and its hash.
        var entry: Int64
        var hash: String
        var erased: [Int]
        /// Rows by source.
        var rows: [String: Int]

        static let format = "firn bundle 1"
    }

    /// Unpacks a bundle.
    ///
    /// - Parameters:
    ///   - path: the bundle's file.
    ///   - temporaryDirectory: where its content is unpacked, and stays as long as the bundle is used.
    /// - Throws: `invalidRequest` for a file that isn't a bundle.
    public init(path: String, temporaryDirectory: String) throws {
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw StoreError(.invalidRequest, "\(path) can't be read")
        }
        directory = try TemporaryDirectory(in: temporaryDirectory)
        guard Tar.run(["-xf", path, "-C", directory.path]),
            let about = FileManager.default.contents(atPath: directory.path + "/bundle.json"),
            let manifest = FileManager.default.contents(atPath: directory.path + "/manifest.json"),
            let said = try? JSONDecoder().decode(About.self, from: about),
            said.format == About.format, let recorded = try? JSONDecoder().decode(Manifest.self, from: manifest)
        else {
            throw StoreError(
                .invalidRequest, "\(path) is no bundle of a snapshot", advice: "firn snapshot bundle makes one")
        }
        self.about = said
        self.manifest = recorded
    }

    /// Computes the snapshot from the bundle alone, and compares it with the manifest's digest.
    ///
    /// - Parameter threads: how many threads hash at once.
    public func evaluate(threads: Int) throws -> (TrainingSet, Verification) {
        let text = try String(contentsOfFile: directory.path + "/definitions.yaml", encoding: .utf8)
        let catalog = try Catalog(documents: [DefinitionDocument(yaml: text, file: "definitions.yaml")])
        let set = try catalog.set(named: manifest.set.description), plan = Plan(set, in: catalog)
        var verification = Verification(manifest: manifest)
        if set.fingerprint != manifest.fingerprint { verification.faults.append(.definition("set \(manifest.set)")) }
        let spine = try SpineFile(
            path: directory.path + "/" + SnapshotBundle.spineName(manifest.spine), plan: plan,
            timestamp: manifest.spine.timestamp, options: manifest.spine.options)
        let sources = try Dictionary(
            uniqueKeysWithValues: plan.sources.map { name in
                let source = try catalog.source(named: name)
                var reader = try TableReader(
                    path: directory.path + "/rows/\(name).arrows.zst",
                    schema: .init(importing: source, keys: catalog.keyColumns(of: name)), options: ReadOptions())
                return (name, SourceRows(importing: try reader.all(), into: source))
            })
        // All rows up to the cuts are here, and no others.
        var reading = manifest.reading
        reading.cuts = [:]
        let outputs = plan.evaluate(spine.spine, reading) { sources[$0.source.name]! }
        verification.compare(
            FeatureEngine.Digest(plan.result(spine.spine, outputs), threads: threads), plan.outputs.map(\.name),
            erased: Swift.Set(about.erased))
        return (TrainingSet(file: spine, values: try plan.values(outputs, manifest.split, spine)), verification)
    }

    fileprivate static func spineName(_ spine: Manifest.SpineRecord) -> String {
        "spine.\(spine.layout ?? FileFormat.Layout.csv.rawValue).zst"
    }
}

extension StoreTraining {
    /// Writes a snapshot's bundle; the file appears once it is complete.
    ///
    /// - Returns: how many rows of each source it holds: those of the spine's entities, with all versions of their
    ///   facts.
    @discardableResult
    public func bundleSnapshot(_ id: String, to path: String) async throws -> [String: Int] {
        let manifest = try await snapshot(id), directory = try TemporaryDirectory(in: temporaryDirectory)
        return try await withCatalog { connection, catalog in
            let set = try catalog.set(named: manifest.set.description), plan = Plan(set, in: catalog)
            let files = directory.path
            try FileManager.default.createDirectory(atPath: files + "/rows", withIntermediateDirectories: false)
            let (rows, erasures) = try connection.transaction(.repeatableRead) {
                let erasures = try Erasures(connection)
                let spine = try KeptSpine(manifest, erasures).intact(plan, connection)
                let pieces = try KeptSpine(manifest, erasures).pieces(connection)
                try Data(pieces.joined()).write(
                    to: URL(fileURLWithPath: files + "/" + SnapshotBundle.spineName(manifest.spine)))
                var rows: [String: Int] = [:]
                for source in plan.sources {
                    try Task.checkCancellation()
                    rows[source] = try BundledRows(
                        plan, source, spine.spine, manifest.cuts[source] ?? 0, set, catalog, connection
                    ).write(to: "\(files)/rows/\(source).arrows.zst")
                }
                return (rows, erasures)
            }
            guard
                let recorded = try connection.execute(
                    "select s.manifest, l.entry, l.hash from firn.snapshots s join firn.ledger l using (entry) where s.id = \(manifest.id)"
                ).first
            else {
                throw StoreError(
                    .damaged, "the ledger's entry of \(manifest.id) is gone", advice: "firn verify says more")
            }
            let about = try SnapshotBundle.About(
                format: SnapshotBundle.About.format, build: firnBuild, entry: recorded.int64(1),
                hash: recorded.bytes(2).hexadecimal,
                erased: (erasures.blocks[manifest.id] ?? []).sorted(), rows: rows)
            let texts = try [
                "README.txt": SnapshotBundle.readme(manifest, plan), "bundle.json": try canonicalJSON(about) + "\n",
                "manifest.json": recorded.text(0),
                "definitions.yaml": JSON(set, in: catalog).pretty() + "\n",
            ]
            for (name, text) in texts { try text.write(toFile: "\(files)/\(name)", atomically: false, encoding: .utf8) }
            let part = "\(path).\(UUID().uuidString).part"
            defer { try? FileManager.default.removeItem(atPath: part) }
            guard
                Tar.run(
                    ["-cf", part, "-C", files] + texts.keys.sorted() + [
                        SnapshotBundle.spineName(manifest.spine), "rows",
                    ])
            else {
                throw StoreError(
                    .invalidRequest, "\(path) can't be written",
                    advice: "the program tar makes it; is it there, and is there room?")
            }
            guard unsafe rename(part, path) == 0 else { throw StoreError(.invalidRequest, "\(path) can't be written") }
            return rows
        }
    }
}

extension SnapshotBundle {
    fileprivate static func readme(_ manifest: Manifest, _ plan: Plan) -> String {
        var command = [
            "firn eval definitions.yaml --set \(manifest.set)",
            "--spine \(spineName(manifest.spine)) --timestamp '\(manifest.spine.timestamp)'",
        ]
        command += plan.sources.map { "--rows \($0)=rows/\($0).arrows.zst" }
        if manifest.mode == .hindsight { command.append("--hindsight") }
        if let knownBy = manifest.knownBy { command.append("--known-by \(knownBy)") }
        return """
            Snapshot \(manifest.id) of \(manifest.set), \(manifest.rows) rows, as Firn made it on \(manifest.createdAt).
            Digest \(manifest.digest)

            firn eval --bundle FILE computes it again from this archive alone, and holds it against the digest.
            By hand (but for labels whose future wasn't known yet, which the manifest knows):

              \(command.joined(separator: " \\\n    "))

            """
    }
}

/// The rows of one source that a plan reads for a spine.
private struct BundledRows {
    private let source: Source
    private let groups: [Plan.Group]
    private let spine: Spine
    private let cut: Int64
    private let columns: [ColumnDefinition]
    private let connection: Connection

    init(
        _ plan: Plan, _ name: String, _ spine: Spine, _ cut: Int64, _ set: FeatureSet, _ catalog: Catalog,
        _ connection: Connection
    ) throws {
        source = try catalog.source(named: name)
        groups = plan.groups.filter { $0.source.name == name }
        columns = catalog.columns(of: source, readBy: set)
        self.spine = spine
        self.cut = cut
        self.connection = connection
    }

    func write(to path: String) throws -> Int {
        let written = columns + (source.isStatic ? [] : [ColumnDefinition(Source.knownAtColumn, .timestamp)])
        var writer = try RowWriter(path: path, columns: written)
        var builders = written.map { ColumnBuilder($0.type) }, count = 0
        func flush() throws {
            try Task.checkCancellation()
            count += builders[0].count
            try writer.write(builders.indices.map { builders[$0].finish() })
        }
        let table = SourceTable(source),
            list =
                columns.map { column -> SQL in "r.\(identifier: column.name)" }
                + (source.isStatic ? [] : ["coalesce(b.known_at, r.firn_known_at)"])
        try connection.stream(
            "select \(SQL.joined(list, by: ", ")) from \(table.rows) where \(table.offsets(after: 0, upTo: cut)) and \(try wanted()) order by b.base_offset, r.firn_position"
        ) { row in
            for index in builders.indices { builders[index].append(&row) }
            if builders[0].count == 1 << 16 { try flush() }
        }
        if builders[0].count > 0 { try flush() }
        try writer.publish()
        return count
    }

    /// A condition over `r`: the rows of the spine's entities, with all versions of their facts.
    private func wanted() throws -> SQL {
        if groups.contains(where: { $0.keys.isEmpty }) { return "true" }
        var parts: [SQL] = []
        for (index, group) in groups.enumerated() {
            let name = SQL(raw: "pg_temp." + SourceTable.name("wanted", [source.name, String(index)])),
                keys = group.keys.map { spine.columns[$0.spine]! }
            let fields = keys.indices.map { SQL(raw: "k\($0)") }
            try connection.execute(
                "create temp table \(name) (\(SQL.joined(zip(fields, keys).map { "\($0) \($1.type.sql)" }, by: ", "))) on commit drop"
            )
            var seen: Set<EntityKey> = []
            try connection.copyIn("copy \(name) from stdin (format binary)") { writer in
                for row in spine.instants.indices {
                    guard let key = EntityKey(keys, row), seen.insert(key).inserted else { continue }
                    try writer.beginRow(fields: keys.count)
                    for column in keys { writer.write(column, row) }
                }
            }
            let same = SourceTable(source).equal(group.keys.map(\.column), to: fields.map { "w.\($0)" })
            parts.append("exists (select from \(name) w where \(same))")
        }
        let condition: SQL = "(\(SQL.joined(parts, by: " or ")))"
        return source.id.isEmpty || source.isStatic ? condition : SourceTable(source).hasVersion(where: condition)
    }
}

extension Catalog {
    /// The columns of a source that a set's values depend on.
    fileprivate func columns(of source: Source, readBy set: FeatureSet) -> [ColumnDefinition] {
        let used = functions(of: set).filter { $0.source?.name == source.name }.reduce(into: Set<String>()) {
            $0.formUnion($1.usedColumns.map(\.name))
        }
        return source.columns.filter { used.contains($0.name) }
    }
}

extension JSON {
    /// A set and all it is made of as a definitions file: JSON is YAML.
    fileprivate init(_ set: FeatureSet, in catalog: Catalog) {
        let functions = catalog.functions(of: set)
        var entities: [String: Entity] = [:], sources: [String: Source] = [:]
        for function in functions {
            entities[function.entity.name] = function.entity
            if let source = function.source { sources[source.name] = source }
        }
        func texts(_ values: [String: String]) -> JSON {
            .object(values.sorted { $0.key < $1.key }.map { Member($0.key, .string($0.value)) })
        }
        func entry(_ entry: SetEntry) -> JSON {
            var members = [Member("feature", .string(entry.function.description)), Member("as", .string(entry.output))]
            if !entry.keys.isEmpty { members.append(Member("keys", texts(entry.keys))) }
            return .object(members)
        }
        func function(_ function: Function) -> Member {
            let definition = function.definition
            var members = [Member("entity", .string(definition.entity))]
            if let source = definition.source { members.append(Member("source", .string(source))) }
            if !definition.join.isEmpty { members.append(Member("join", texts(definition.join))) }
            if !definition.request.isEmpty { members.append(Member("request", definition.request.json)) }
            members.append(Member("expression", .string(definition.expression)))
            return Member(definition.name.description, .object(members))
        }
        func source(_ source: Source) -> Member {
            var members = [
                Member("columns", catalog.columns(of: source, readBy: set).json),
                Member("event_time", .string(source.eventTime ?? "none")),
            ]
            if !source.id.isEmpty { members.append(Member("id", .array(source.id.map { .string($0) }))) }
            if let tombstone = source.tombstone { members.append(Member("tombstone", .string(tombstone))) }
            switch source.knownAt {
            case .eventTime: break
            case .after(let delay):
                members.append(
                    Member("known_at", .object(["after": .string(TimeSpan(microseconds: delay).description)])))
            case .column(let name): members.append(Member("known_at", .string(name)))
            }
            return Member(source.name, .object(members))
        }
        var sections = [
            Member(
                "entities",
                .object(
                    entities.values.sorted { $0.name < $1.name }.map {
                        Member($0.name, .object(["keys": $0.keys.json]))
                    })),
            Member("sources", .object(sources.values.sorted { $0.name < $1.name }.map(source))),
        ]
        for (heading, kind) in [("features", FunctionKind.feature), ("labels", .label)] {
            let members = functions.filter { $0.kind == kind }.map(function)
            if !members.isEmpty { sections.append(Member(heading, .object(members))) }
        }
        var lists = [Member("features", .array(set.definition.features.map(entry)))]
        if !set.definition.labels.isEmpty { lists.append(Member("labels", .array(set.definition.labels.map(entry)))) }
        sections.append(Member("sets", .object([Member(set.definition.name.description, .object(lists))])))
        self = .object(sections)
    }
}

/// A directory that is removed once nothing holds this any more.
private final class TemporaryDirectory: Sendable {
    let path: String

    init(in parent: String) throws {
        path = "\(parent)/firn-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The program tar, which every system has.
private enum Tar {
    static func run(_ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["tar"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
