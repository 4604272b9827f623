// A real traefik is the judge of every form of provider.yaml that we write.

import Foundation
import Membership
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct TraefikTests {
  /// What TRAEFIK names, what is on the PATH, or what tools/test fetched; nil without any.
  static let program: String? = {
    let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
    let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let places =
      [ProcessInfo.processInfo.environment["TRAEFIK"]].compactMap { $0 }
      + paths.map { "\($0)/traefik" } + [root.appending(path: ".build/tools/traefik").path]
    return places.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  private struct Service: Decodable {
    struct Balancer: Decodable {
      struct Server: Decodable { var address: String? }
      var servers: [Server]?
    }
    var name: String
    var status: String
    var loadBalancer: Balancer?
  }

  private func output(_ program: String, _ arguments: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    return try pipe.fileHandleForReading.readToEnd() ?? Data()
  }

  /// The addresses that traefik serves, sorted; nil while there is no such service.
  private func served(_ port: Int) throws -> [String]? {
    let body = try output(
      "curl", ["-s", "-m", "2", "http://127.0.0.1:\(port)/api/tcp/services"])
    let services = (try? JSONDecoder().decode([Service].self, from: body)) ?? []
    guard let service = services.first(where: { $0.name == "kube-apiserver@file" }),
      service.status == "enabled"
    else { return nil }
    return (service.loadBalancer?.servers ?? []).compactMap(\.address).sorted()
  }

  @Test(
    "traefik loads every provider.yaml we write and serves exactly our addresses",
    .enabled(if: program != nil, "no traefik here: tools/test fetches one"))
  func judge() async throws {
    let program = try #require(Self.program)
    let folder = NSTemporaryDirectory() + "muster-traefik-\(UUID().uuidString)"
    let directory = DataDirectory(folder)
    try directory.prepare()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let port = 20000 + Int(getpid()) % 10000
    let store = ProviderStore(directory)
    let lists = [
      ["10.0.0.1:16443"], ["10.0.0.1:16443", "10.0.0.2:16443", "10.0.0.3:6443"],
      ["[fd00::1]:16443", "10.0.0.1:16443"], ["api-1.example.org:6443", "api-2.example.org:443"],
      (1...40).map { "10.1.\($0).9:16443" },
    ]
    try store.write(lists[0].compactMap { Address($0) })
    try """
    entryPoints:
      apiserver: {address: "127.0.0.1:\(port + 1)"}
      traefik: {address: "127.0.0.1:\(port)"}
    providers:
      providersThrottleDuration: 50ms
      file: {filename: \(directory.provider), watch: true}
    api: {insecure: true}
    log: {level: INFO}
    global: {checkNewVersion: false, sendAnonymousUsage: false}
    """.write(toFile: folder + "/judge.yaml", atomically: true, encoding: .utf8)
    let log = URL(filePath: folder + "/log")
    try Data().write(to: log)
    let traefik = Process()
    traefik.executableURL = URL(fileURLWithPath: program)
    traefik.arguments = ["--configfile", folder + "/judge.yaml"]
    traefik.standardOutput = try FileHandle(forWritingTo: log)
    traefik.standardError = try FileHandle(forWritingTo: log)
    try traefik.run()
    defer { kill(traefik.processIdentifier, SIGKILL) }

    func expectServed(_ list: [String]) async throws {
      var last: [String]?
      for _ in 0..<200 {
        last = try served(port)
        if last == list.sorted() { return }
        try await Task.sleep(for: .milliseconds(50))
      }
      Issue.record("traefik serves \(last ?? []), not \(list)")
    }
    try await expectServed(lists[0])
    for list in lists.dropFirst() {
      try store.write(list.compactMap { Address($0) })
      try await expectServed(list)
    }
    // What an operator adds is taken by traefik, and stays through a refresh.
    let own = String(decoding: try directory.read(directory.provider) ?? [], as: UTF8.self)
      .replacingOccurrences(
        of: "        servers:\n",
        with: "        healthCheck: {interval: 30s, timeout: 1s}  # ours\n        servers:\n")
    try directory.write(Array(own.utf8), to: directory.provider)
    try store.write(lists[1].compactMap { Address($0) })
    try await expectServed(lists[1])
    let text = String(decoding: try directory.read(directory.provider) ?? [], as: UTF8.self)
    #expect(text.contains("healthCheck: {interval: 30s, timeout: 1s}  # ours"))
    let words = try String(contentsOf: log, encoding: .utf8)
    #expect(!words.contains(" ERR ") && !words.contains("level=error"), "\(words)")
  }
}

@Suite struct ProviderStoreTests {
  @Test(
    "no link leads provider.yaml out of the data dir",
    arguments: ["", "/traefik", "/traefik/provider.yaml"])
  func links(part: String) throws {
    let folder = NSTemporaryDirectory() + "muster-links-\(UUID().uuidString)"
    let directory = DataDirectory(folder + "/data")
    try directory.prepare()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let outside = folder + "/outside"
    try FileManager.default.createDirectory(
      atPath: outside, withIntermediateDirectories: true)
    let link = directory.path + "/args" + part
    try FileManager.default.createDirectory(
      atPath: (link as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: outside)
    let error = #expect(throws: (any Error).self) {
      try ProviderStore(directory).write([Address("10.0.0.1:16443")].compactMap { $0 })
    }
    #expect(error.map { "\($0)" }?.contains("symbolic link") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
  }
}
