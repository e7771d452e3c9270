/// The numbered SQL files of this folder, embedded in the binary.
public enum Migrations {
    /// By number, ascending. A file that was applied never changes: what comes later is another file.
    public static let all: [(number: Int, name: String, sql: [UInt8])] = [
        (1, "0001_foundation.sql", PackageResources._001_foundation_sql),
        (2, "0002_segments.sql", PackageResources._002_segments_sql),
        (3, "0003_whole_runs.sql", PackageResources._003_whole_runs_sql),
        (4, "0004_tokens.sql", PackageResources._004_tokens_sql),
        (5, "0005_server_role.sql", PackageResources._005_server_role_sql),
        (6, "0006_lookups.sql", PackageResources._006_lookups_sql),
        (7, "0007_online_state.sql", PackageResources._007_online_state_sql),
        (8, "0008_governance.sql", PackageResources._008_governance_sql),
        (9, "0009_hashed_keys.sql", PackageResources._009_hashed_keys_sql),
        (10, "0010_server_functions.sql", PackageResources._010_server_functions_sql),
        (11, "0011_checksums.sql", PackageResources._011_checksums_sql),
        (12, "0012_dates_and_decimals.sql", PackageResources._012_dates_and_decimals_sql),
        (13, "0013_lists_and_vectors.sql", PackageResources._013_lists_and_vectors_sql),
    ]
}
