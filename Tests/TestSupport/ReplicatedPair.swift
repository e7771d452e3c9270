import Foundation
public import Postgres

/// A real PostgreSQL and a hot standby of it, in streaming replication, each with a directory of its own.
public struct ReplicatedPair: Sendable {
    public let primary: Cluster
    public let standby: Cluster
    private let directory: String

    public init() throws {
        directory = try temporaryDirectory()
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        for name in ["primary", "standby"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o755])
        }
        primary = Cluster(directory: directory + "/primary/.firn", path: path, isThrowaway: true)
        standby = Cluster(directory: directory + "/standby/.firn", path: path, isThrowaway: true)
        try primary.start()
        try standby.start()
        try standby.stop(immediately: true)
        // Replication asks for a line of its own.
        let data = directory + "/primary/.firn/cluster/data", copy = directory + "/standby/.firn/cluster/data"
        try ReplicatedPair.shell("echo 'local replication all peer map=firn' >> '\(data)/pg_hba.conf'")
        try Connection(uri: primary.uri).run(script: "select pg_reload_conf()")
        let programs = try Connection(uri: primary.uri).execute("select setting from pg_config where name = 'BINDIR'")
            .first!.text(0)
        let address = primary.uri.replacing("postgresql://firn@/firn", with: "postgresql://firn@/")
        try ReplicatedPair.shell(
            """
            owner=$(stat -c %U '\(copy)')
            cd /
            run() { if [ "$(id -un)" = "$owner" ]; then "$@"; else setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups -- "$@"; fi; }
            run sh -c 'rm -rf "$1"/*' sh '\(copy)'
            run '\(programs)/pg_basebackup' -d '\(address)' -D '\(copy)' -R -X stream --checkpoint=fast
            """)
        try standby.start()
    }

    /// Stops both, and leaves nothing.
    public func remove() {
        for cluster in [standby, primary] { _ = try? cluster.stop(immediately: true) }
        try? FileManager.default.removeItem(atPath: directory)
    }

    private static func shell(_ script: String) throws {
        let done = try RunningProgram("/bin/bash", ["-euc", script], in: "/").finish()
        guard done.status == 0 else {
            throw PostgresError(code: "58000", message: "replication can't be set up: \(done.text)")
        }
    }
}
