// swift-tools-version: 6.2
import PackageDescription

// The architecture: each target is named after what it knows, and arrows go one way only.
//
//   firn ──▶ FeatureServer ──▶ FeatureStore
//                                   │   └──▶ ServingMemory
//                                   ▼             │
//                               StoreRows ──▶ SegmentFormat
//                                   ▼             │
//                              StoreRecord ──▶ Postgres ──▶ CLibPQ
//                                   │ └──▶ Migrations
//                                   ▼             ▼
//                                Tables ──▶ CZlib, CZstd
//                                   ▼
//                                ArrowIPC ──▶ CLZ4, CZstd
//                                   ▼
//                             FeatureEngine ──▶ FeatureLanguage
//
// FeatureLanguage, FeatureEngine, SegmentFormat and ServingMemory do no I/O; only Postgres knows libpq; only the three floors of the store hold SQL.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

func tests(_ target: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(target)Tests", dependencies: [.byName(name: target), "TestSupport"] + dependencies,
        swiftSettings: strict)
}

let package = Package(
    name: "firn",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "firn", targets: ["firn"]),
        .executable(name: "credit-card-data", targets: ["credit-card-data"]),
        // The store, and what its API is made of: definitions and instants, columns, files of tables.
        .library(name: "FeatureStore", targets: ["FeatureStore"]),
        .library(name: "FeatureLanguage", targets: ["FeatureLanguage"]),
        .library(name: "FeatureEngine", targets: ["FeatureEngine"]),
        .library(name: "Tables", targets: ["Tables"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: ["FullFoundation"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // Doors to C: a module map and a shim each.
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"]), .brew(["lz4"])]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),

        // Definitions: parse, type, canonical form, fingerprint. No I/O.
        .target(
            name: "FeatureLanguage", dependencies: [crypto, .product(name: "Yams", package: "Yams")],
            swiftSettings: strict),
        // Columns, scalar kernels, aggregates, cursors, plans. No I/O, no clock.
        .target(name: "FeatureEngine", dependencies: ["FeatureLanguage", crypto], swiftSettings: strict),
        // Columns to and from Arrow IPC streams. No I/O.
        .target(
            name: "ArrowIPC", dependencies: ["FeatureEngine", "FeatureLanguage", "CLZ4", "CZstd"], swiftSettings: strict
        ),
        // Columns to and from CSV, NDJSON and Arrow files, plain or compressed.
        .target(
            name: "Tables", dependencies: ["ArrowIPC", "FeatureEngine", "FeatureLanguage", "CZlib", "CZstd"],
            swiftSettings: strict),
        // libpq: connections, queries, copies, a pool, the embedded cluster.
        .target(name: "Postgres", dependencies: ["CLibPQ"], swiftSettings: strict),
        // The numbered SQL files, embedded in the binary.
        .target(
            name: "Migrations", path: "migrations",
            resources: [
                "0001_foundation.sql", "0002_segments.sql", "0003_whole_runs.sql", "0004_tokens.sql",
                "0005_server_role.sql", "0006_lookups.sql",
                "0007_online_state.sql", "0008_governance.sql", "0009_hashed_keys.sql", "0010_server_functions.sql",
                "0011_checksums.sql", "0012_dates_and_decimals.sql", "0013_lists_and_vectors.sql",
            ].map { .embedInCode($0) },
            swiftSettings: strict),
        // Segments: order, hash, blocks, addresses, and how they are read as rows. No I/O.
        .target(
            name: "SegmentFormat", dependencies: ["ArrowIPC", "FeatureEngine", "FeatureLanguage", crypto],
            swiftSettings: strict),
        // What lookups are answered from: a state machine. No I/O.
        .target(
            name: "ServingMemory", dependencies: ["FeatureEngine", "FeatureLanguage", "Tables"], swiftSettings: strict),
        // The store's ground floor: ledger, registry, what people decided, tokens, locks, migrations.
        .target(
            name: "StoreRecord",
            dependencies: ["FeatureEngine", "FeatureLanguage", "Migrations", "Postgres", "Tables", crypto],
            resources: [.embedInCode("VERSION")],
            swiftSettings: strict),
        // The floor above: logs of rows, and the segments that they are sealed into.
        .target(
            name: "StoreRows",
            dependencies: [
                "ArrowIPC", "FeatureEngine", "FeatureLanguage", "Postgres", "SegmentFormat", "StoreRecord", "Tables",
                crypto,
            ], swiftSettings: strict),
        // Training, serving, provenance, catalog, and the store's face: the library people import.
        .target(
            name: "FeatureStore",
            dependencies: [
                "ArrowIPC", "FeatureEngine", "FeatureLanguage", "Postgres", "SegmentFormat", "ServingMemory",
                "StoreRecord", "StoreRows", "Tables", crypto,
            ],
            swiftSettings: strict),
        // HTTP routes, wire types, error mapping.
        .target(
            name: "FeatureServer",
            dependencies: [
                "FeatureEngine", "FeatureLanguage", "FeatureStore", "Postgres", "Tables",
                .target(name: "CMalloc", condition: .when(platforms: [.linux])), crypto,
                hummingbird,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("openapi.json")],
            swiftSettings: strict),
        // The command line: one file per command.
        .executableTarget(
            name: "firn",
            dependencies: [
                "FeatureEngine", "FeatureLanguage", "FeatureServer", "FeatureStore", "Postgres", "Tables",
                .target(name: "CMalloc", condition: .when(platforms: [.linux])),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // The demo's data.
        .executableTarget(name: "credit-card-data", path: "examples/credit-card/Generator", swiftSettings: strict),

        .target(
            name: "TestSupport", dependencies: ["FeatureLanguage", "Postgres"], path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("FeatureLanguage"),
        tests("FeatureEngine", ["FeatureLanguage"]),
        tests("ArrowIPC", ["FeatureEngine", "FeatureLanguage"]),
        tests("Tables", ["FeatureEngine", "FeatureLanguage"]),
        tests("Postgres"),
        tests("ServingMemory", ["FeatureEngine", "FeatureLanguage"]),
        tests(
            "FeatureStore",
            [
                "ArrowIPC", "FeatureEngine", "FeatureLanguage", "Postgres", "ServingMemory", "StoreRecord", "StoreRows",
                "Tables", crypto,
            ]),
        tests(
            "FeatureServer",
            [
                "FeatureLanguage", "FeatureStore", "Tables", .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ]),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "firn", "FeatureEngine", "FeatureLanguage", "FeatureStore", "Postgres", "Tables", "TestSupport",
            ],
            swiftSettings: strict),
    ]
)
