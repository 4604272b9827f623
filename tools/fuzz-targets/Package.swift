// swift-tools-version:6.2
// What reads bytes and words of others, under libFuzzer: built by tools/fuzz alone. The sources are
// the program's own, by symbolic links, so that package access reaches them.
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "fuzz-targets",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: [])
  ],
  targets: [
    .target(name: "Raft", swiftSettings: settings),
    .target(name: "Membership", swiftSettings: settings),
    .target(
      name: "Schema",
      dependencies: [
        "Membership", "Raft", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["Protos"], swiftSettings: settings),
    .target(name: "Words", dependencies: ["Membership"], swiftSettings: settings),
    .executableTarget(
      name: "fuzz", dependencies: ["Membership", "Raft", "Schema", "Words"],
      path: "Sources/Fuzz", swiftSettings: settings),
  ]
)
