public import ArgumentParser
import FeatureLanguage
public import FeatureStore
import Tables

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Manage tokens: who may ask a server for what.",
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a bearer token and print it, once.",
            discussion: """
                audit: ledger, lineage, definitions and digests, but no values. read: also lookups, computing and fetching rows. write: also pushes, imports and snapshots. \
                admin: also definitions.

                Bounds are name patterns in which * stands for anything: firn token create svc --role read --set 'fraud.*' --source transactions. For a team's own names: \
                firn token create risk --role admin --names 'risk_*'.
                """)

        @Argument(help: "Whose token it is; what its bearer does is recorded under this name.")
        var name: String

        @Option(help: "Role of the token: audit, read, write or admin.")
        var role = TokenRole.read

        @Option(
            name: .customLong("set"),
            help: ArgumentHelp(
                "Allow lookups, snapshots and drift of these sets only; may be repeated.", valueName: "pattern"))
        var sets: [String] = []

        @Option(
            name: .customLong("source"),
            help: ArgumentHelp(
                "Allow pushes and imports (write), rows and why (read) of these sources only; may be repeated.",
                valueName: "pattern"))
        var sources: [String] = []

        @Option(
            help: ArgumentHelp(
                "Register only under these names, closed to all other tokens; may be repeated.", valueName: "pattern"))
        var names: [String] = []

        @Option(help: ArgumentHelp("Refuse the token from this time on.", valueName: "time"), transform: parseInstant)
        var until: Instant?

        @OptionGroup var actor: ActorOption

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let bounds = TokenBounds(sets: sets, sources: sources, names: names)
            let token = try await Environment.store(connections: 1, actor).catalog.createToken(
                name: name, role: role, bounds: bounds, until: until)
            guard json else { return Terminal.out(token) }
            Terminal.out(
                JSON.object([
                    "id": .string(String(token.split(separator: "_")[1])), "name": .string(name),
                    "role": .string(role.rawValue), "bounds": bounds.json,
                    "ends_at": JSON(until?.description), "token": .string(token),
                ]).pretty())
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List tokens, newest first.")

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let tokens = try await Environment.store(connections: 1).catalog.tokens()
            if json {
                return Terminal.out(
                    JSON.array(
                        tokens.map {
                            .object([
                                "id": .string($0.id), "name": .string($0.name), "role": .string($0.role.rawValue),
                                "created_at": .string($0.createdAt.description),
                                "revoked_at": JSON($0.revokedAt?.description), "ends_at": JSON($0.endsAt?.description),
                                "bounds": $0.bounds.json,
                            ])
                        }
                    ).pretty())
            }
            var table = TextTable("ID", "NAME", "ROLE", "BOUNDS", "CREATED", "ENDS", "REVOKED")
            for token in tokens {
                table.rows.append([
                    token.id, token.name, token.role.rawValue, token.bounds.description, token.createdAt.description,
                    token.endsAt?.description ?? "",
                    token.revokedAt?.description ?? "",
                ])
            }
            table.print()
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Revoke a token; servers refuse it within a second.")

        @Argument(help: "Id of the token, as firn token list shows it.")
        var id: String

        @OptionGroup var actor: ActorOption

        func run() async throws {
            try await Environment.store(connections: 1, actor).catalog.revokeToken(id)
            Terminal.out("revoked \(id)")
        }
    }
}

extension TokenRole: ExpressibleByArgument {}
