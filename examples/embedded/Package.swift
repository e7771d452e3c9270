// swift-tools-version: 6.2
import PackageDescription

// An inference service with the store in its own process: a package of its own, as yours would be.
let package = Package(
    name: "embedded-inference",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "firn", path: "../.."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: ["FullFoundation"]),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    ],
    targets: [
        // The first page of the library's documentation.
        .executableTarget(
            name: "first-page",
            dependencies: [
                .product(name: "FeatureEngine", package: "firn"), .product(name: "FeatureLanguage", package: "firn"),
                .product(name: "FeatureStore", package: "firn"), .product(name: "Tables", package: "firn"),
            ]),
        .executableTarget(
            name: "embedded-inference",
            dependencies: [
                .product(name: "FeatureStore", package: "firn"), .product(name: "FeatureLanguage", package: "firn"),
                .product(name: "Hummingbird", package: "hummingbird"), .product(name: "Logging", package: "swift-log"),
            ]),
    ]
)
