import ArgumentParser
import FeatureLanguage
import Tables

struct Url: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the database's address in the form psql takes.")

    @Flag(help: "Print as JSON.")
    var json = false

    func run() throws {
        let uri = try Environment.uri()
        Terminal.out(json ? JSON.object(["url": .string(uri)]).pretty() : uri)
    }
}
