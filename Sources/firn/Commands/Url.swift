import ArgumentParser
import Tables

struct Url: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the database's address, as psql takes it.")

    @Flag(help: "Print it as JSON.")
    var json = false

    func run() throws {
        let uri = try Environment.uri()
        Terminal.out(json ? JSON.object(["url": .string(uri)]).pretty() : uri)
    }
}
