public import ArgumentParser
import FeatureLanguage
public import FeatureStore
import Tables

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Say who may ask a server for what.", subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a bearer token and print it, once.",
            discussion: "read: lookups, the catalog, computing and fetching rows. write: also pushes, imports and snapshots. admin: also definitions.")

        @Argument(help: "Whose it is; what its bearer does is written down under this name.")
        var name: String

        @Option(help: "read, write or admin.")
        var role = TokenRole.read

        func run() async throws { Terminal.out(try await Environment.store(connections: 1).createToken(name: name, role: role)) }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tokens, the newest first.")

        @Flag(help: "Print them as JSON.")
        var json = false

        func run() async throws {
            let tokens = try await Environment.store(connections: 1).tokens()
            if json {
                return Terminal.out(
                    JSON.array(
                        tokens.map {
                            .object([
                                "id": .string($0.id), "name": .string($0.name), "role": .string($0.role.rawValue), "created_at": .string($0.createdAt.description),
                                "revoked_at": JSON($0.revokedAt?.description),
                            ])
                        }
                    ).pretty())
            }
            var table = TextTable("ID", "NAME", "ROLE", "CREATED", "REVOKED")
            for token in tokens { table.rows.append([token.id, token.name, token.role.rawValue, token.createdAt.description, token.revokedAt?.description ?? ""]) }
            table.print()
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a token: servers refuse it within a second.")

        @Argument(help: "Its id, as firn token list shows it.")
        var id: String

        func run() async throws {
            try await Environment.store(connections: 1).revokeToken(id)
            Terminal.out("revoked \(id)")
        }
    }
}

extension TokenRole: ExpressibleByArgument {}
