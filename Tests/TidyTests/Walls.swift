// Which target may import what: the map of the house as a table. A target that wants more changes
// this table in the same commit, where it is seen.

enum Walls {
  private static let system: Set<String> = ["Darwin", "Glibc", "Musl", "Synchronization"]
  private static let foundation: Set<String> = ["Foundation", "FoundationEssentials"]

  static let allowed: [String: Set<String>] = [
    "Raft": [],
    "Membership": [],
    "Projections": ["Membership"],
    // Foundation for Data alone, in which generated code keeps bytes.
    "Schema": Set(["Membership", "Raft", "SwiftProtobuf", "Synchronization"]).union(foundation),
    "CLMDB": [],
    "CLinux": [],
    "LMDB": system.union(["CLMDB"]),
    "Replication": ["Membership", "Projections", "Raft", "Schema"],
    "EventLog": system.union(["Crypto", "LMDB", "Raft"]),
    "History": foundation.union([
      "Crypto", "Dispatch", "EventLog", "Membership", "Projections", "Raft", "Schema",
      "Synchronization",
    ]),
    "Transport": system.union(foundation).union([
      "CLinux", "Crypto", "NIOCore", "NIOExtras", "NIOPosix", "NIOSSL", "NIOTLS", "SwiftASN1",
      "X509",
    ]),
    "Agent": system.union(foundation).union([
      "CLinux", "EventLog", "History", "Membership", "Projections", "Raft", "Replication", "Schema",
      "Transport",
      "AsyncHTTPClient", "Configuration", "Crypto", "HTTPTypes", "Hummingbird", "HummingbirdCore",
      "HummingbirdTLS", "Logging", "Metrics", "NIOCore", "NIOFoundationEssentialsCompat",
      "NIOHTTP1", "NIOPosix", "NIOSSL", "ServiceLifecycle", "UnixSignals", "Yams",
    ]),
    "Simulator": [
      "EventLog", "Membership", "Projections", "Raft", "Replication", "Schema", "Synchronization",
    ],
    "muster": system.union(foundation).union([
      "Agent", "ArgumentParser", "History", "Membership",
    ]),
    "muster-sim": system.union(foundation).union(["Raft", "Simulator"]),
  ]

  /// Targets that draw time and randomness; all others are given them. The two programs only
  /// measure how long a person waits.
  static let worldly: Set<String> = ["Agent", "Simulator", "muster", "muster-sim"]

  /// Files outside LMDB that touch memory by pointers, and why there is no other way.
  static let pointers: [String: String] = [
    "Sources/EventLog/ChainHash.swift": "entries are hashed by the million, without copying them",
    "Sources/EventLog/LogWriter.swift": "a thread of its own: pthread_create takes a pointer",
    "Sources/Transport/ServiceNotification.swift": "sockaddr_un has no other initialiser",
    "Sources/Transport/Identity/PrivateFile.swift":
      "secrets are read and written with modes and syncs that only system calls give",
    "Sources/Transport/Proxy/Socket.swift": "the proxy's system calls take pointers",
    "Sources/Transport/Proxy/ProxyCarrier+Bytes.swift":
      "bytes between two sockets pass through one buffer, without a copy to an array",
    "Sources/Transport/Proxy/ProxyCarrier+Sessions.swift": "the same buffer, for the first bytes",
    "Sources/Transport/Proxy/ProxySession.swift": "keeps what a socket did not take of that buffer",
    "Sources/Agent/Daemon/LogOutput.swift": "a line is one write to standard error",
    "Sources/Agent/Daemon/AgentOptions.swift": "a socket tells the default route's address",
    "Sources/Agent/DataDirectory.swift":
      "locks and durable files need system calls, which take pointers",
  ]

  /// Files of more than 400 lines, none of more than 500, and why they are one thing.
  static let long: [String: String] = [:]
}
