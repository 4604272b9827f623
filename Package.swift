// swift-tools-version:6.2
// Reading this manifest is reading the architecture: see Sources/README.md for what each target
// owns.
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "muster",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "muster", targets: ["muster"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(
      url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
    .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0", traits: []),
    .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
  ],
  targets: [
    // L0: a C header, and system calls that Swift does not import.
    .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
    .target(name: "CLinux"),

    // L1: rules, agreement, frozen bytes, pages.
    .target(name: "Raft", swiftSettings: settings),
    .target(name: "Membership", swiftSettings: settings),
    .target(name: "Projections", dependencies: ["Membership"], swiftSettings: settings),
    .target(
      name: "Schema",
      dependencies: [
        "Membership", "Raft", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["Protos"],
      swiftSettings: settings),
    .target(name: "LMDB", dependencies: ["CLMDB"], swiftSettings: settings),

    // L2: one node as a value, time travel, the disk, the wire.
    .target(
      name: "Replication", dependencies: ["Raft", "Membership", "Projections", "Schema"],
      swiftSettings: settings),
    .target(
      name: "EventLog",
      dependencies: ["LMDB", "Raft", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: settings),
    .target(
      name: "History",
      dependencies: [
        "EventLog", "Projections", "Membership", "Schema", "Raft",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: settings),
    .target(
      name: "Transport",
      dependencies: [
        "CLinux",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOExtras", package: "swift-nio-extras"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: settings),

    // L3: a node in the world, a world in a box.
    .target(
      name: "Agent",
      dependencies: [
        "CLinux", "Raft", "Membership", "Projections", "Schema", "Replication", "EventLog",
        "History", "Transport",
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOFoundationEssentialsCompat", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
    .target(
      name: "Simulator", dependencies: ["Replication", "Schema", "Raft", "Membership"],
      swiftSettings: settings),

    // L4: words in, words out.
    .executableTarget(
      name: "muster",
      dependencies: [
        "Agent", "History", "Membership",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "muster-sim", dependencies: ["Simulator", "Raft"], swiftSettings: settings),

    // Laws.
    .testTarget(name: "TidyTests", swiftSettings: settings),
    .testTarget(name: "RaftTests", dependencies: ["Raft"], swiftSettings: settings),
    .testTarget(
      name: "PeerDataTests", dependencies: ["EventLog", "Raft"], swiftSettings: settings),
    .testTarget(name: "MembershipTests", dependencies: ["Membership"], swiftSettings: settings),
    .testTarget(
      name: "ProjectionsTests", dependencies: ["Projections", "Membership"],
      swiftSettings: settings),
    .testTarget(
      name: "SchemaTests", dependencies: ["Schema", "Membership", "Raft"],
      swiftSettings: settings),
    .testTarget(name: "LMDBTests", dependencies: ["LMDB"], swiftSettings: settings),
    .testTarget(
      name: "EventLogTests", dependencies: ["EventLog", "LMDB", "Raft"],
      swiftSettings: settings),
    .executableTarget(
      name: "log-load", dependencies: ["EventLog", "Raft"], path: "Tests/LogLoad",
      swiftSettings: settings),
    .testTarget(
      name: "CrashTests", dependencies: ["EventLog", "Raft", "log-load"], exclude: ["Shim"],
      swiftSettings: settings),
    .testTarget(
      name: "ReplicationTests", dependencies: ["Replication", "Simulator"],
      swiftSettings: settings),
    .testTarget(
      name: "HistoryTests",
      dependencies: [
        "History", "EventLog", "Projections", "Membership", "Schema", "Raft",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: settings),
    .testTarget(name: "TransportTests", dependencies: ["Transport"], swiftSettings: settings),
    .testTarget(
      name: "AgentTests",
      dependencies: [
        "Agent", "EventLog", "History", "Membership", "Projections", "Raft", "Schema", "Transport",
      ],
      swiftSettings: settings),
    .target(
      name: "Linearizability", path: "Tests/Linearizability", swiftSettings: settings),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "Linearizability", "Simulator", "Replication", "Raft", "Membership", "Schema",
      ],
      swiftSettings: settings),
    .testTarget(name: "ProgramTests", dependencies: ["Linearizability"], swiftSettings: settings),
  ]
)
