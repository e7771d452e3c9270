internal import Foundation

/// PostgreSQL's own programs on this machine.
struct ServerPrograms {
    let directory: String
    let major: Int

    /// The newest version, at least 14, or exactly the version that a data directory needs.
    ///
    /// Searches PATH and the places that Debian, Homebrew and Red Hat use.
    static func find(major wanted: Int? = nil, path: String) throws(PostgresError) -> ServerPrograms {
        var directories = path.split(separator: ":").map(String.init)
        directories += children(of: "/usr/lib/postgresql", below: "bin")
        directories += ["/opt/homebrew/opt", "/usr/local/opt"].flatMap { children(of: $0, below: "bin") }.filter {
            $0.contains("postgresql")
        }
        directories += children(of: "/usr", below: "bin").filter { $0.hasPrefix("/usr/pgsql-") }
        var found: [ServerPrograms] = []
        for directory in directories
        where ["postgres", "initdb", "pg_ctl"].allSatisfy({
            FileManager.default.isExecutableFile(atPath: directory + "/" + $0)
        }) {
            guard let major = version(directory), wanted.map({ $0 == major }) ?? (major >= 14) else { continue }
            found.append(ServerPrograms(directory: directory, major: major))
        }
        if let best = found.max(by: { $0.major < $1.major }) { return best }
        let which = wanted.map { "version \($0), which made the cluster," } ?? "version 14 or newer"
        throw PostgresError(
            code: "58P01", message: "PostgreSQL's server programs (\(which)) are not on this machine",
            advice:
                "install postgresql (apt install postgresql, brew install postgresql@17), or set FIRN_DATABASE_URL to a server"
        )
    }

    private static func children(of directory: String, below: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).map { "\(directory)/\($0)/\(below)" }
    }

    private static func version(_ directory: String) -> Int? {
        guard let output = try? Child.run([directory + "/postgres", "--version"]), output.status == 0 else {
            return nil
        }
        // "postgres (PostgreSQL) 15.18 (Debian …)", "postgres (PostgreSQL) 17beta1"
        return output.text.split(separator: " ").compactMap { Int($0.prefix { $0.isNumber }) }.first
    }
}
