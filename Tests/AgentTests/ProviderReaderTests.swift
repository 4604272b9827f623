import Foundation
import Membership
import Testing

@testable import Agent

@Suite struct ProviderReaderTests {
  private static let head = """
    tcp:
      routers:
        Router-1:
          rule: HostSNI(`*`)
          service: kube-apiserver
          tls:
            passthrough: true
      services:
        kube-apiserver:
          loadBalancer:
            servers:

    """

  private func file(_ lines: String...) -> [UInt8] {
    Array((Self.head + lines.map { "        \($0)\n" }.joined()).utf8)
  }

  private func read(_ bytes: [UInt8]) throws -> [String] {
    try ProviderReader.addresses(bytes, file: "p.yaml").map(\.description)
  }

  private func refusal(_ bytes: [UInt8]) -> String {
    do {
      return "taken: \(try read(bytes))"
    } catch {
      return "\(error)"
    }
  }

  @Test("what MicroK8s and people write is read")
  func good() throws {
    #expect(
      try read(file("- address: 127.0.0.1:17002", "- address: '[::1]:17003'"))
        == ["127.0.0.1:17002", "[::1]:17003"])
    #expect(try read(file("- address: \"api.lan:6443\"", "  weight: 1")) == ["api.lan:6443"])
    let crlf = String(decoding: file("- address: 10.0.0.1:1"), as: UTF8.self)
      .replacingOccurrences(of: "\n", with: "\r\n")
    #expect(try read(Array(crlf.utf8)) == ["10.0.0.1:1"])
    #expect(try read(Array(("\u{feff}---\n" + crlf).utf8)) == ["10.0.0.1:1"])
    let json = #"""
      {"tcp": {"services": {"kube-apiserver": {"loadBalancer": {"servers": [{"address": "a:1"}]}}}}}
      """#
    #expect(try read(Array(json.utf8)) == ["a:1"])
  }

  @Test(
    "a bad address is refused with its line",
    arguments: [
      ("10.0.0.1", "has no port"), ("fd00::1:16443", "[ADDRESS]:PORT"),
      ("10.0.0.1:0", "range 1-65535"), ("10.0.0.1:99999", "range 1-65535"),
      ("https://10.0.0.1:16443", ""), ("null", ""), ("16443", "has no port"), ("10.0.0.1:", ""),
      ("''", ""), ("10.0.0.1:16443x", "not a number"), ("10.0.0.256:1", ""),
    ])
  func badAddress(text: String, why: String) {
    let answer = refusal(file("- address: 10.0.0.9:16443", "- address: \(text)"))
    #expect(answer.hasPrefix("p.yaml:13: "), "\(answer)")
    #expect(why.isEmpty || answer.contains(why), "\(answer)")
  }

  @Test("what traefik takes for an empty list, or for half of one, is refused whole")
  func malformed() {
    let cases: [(bytes: [UInt8], place: String, why: String)] = [
      (file("- address: 10.0.0.1:1", "- address: 10.0.0.1:1"), ":13:", "listed twice"),
      (file("- adress: 10.0.0.1:1"), ":12:", "needs an address"),
      (file("- 10.0.0.1:1"), ":12:", "needs an address"),
      (file("  []"), ":12:", "empty"),
      (Array(Self.head.utf8), ":11:", "not a list"),
      ([], "", "empty"), (Array("# only words\n".utf8), "", "empty"),
      (Array("tcp:\n  routers: {}\n".utf8), ":2:", "services is missing"),
      (file("- address: 10.0.0.1:1\u{0}\u{0}"), ":12:", "control character"),
      (file("- address: @x"), ":12:", ""), (file("- address: 'open"), "", ""),
      (Array(("tcp: {}\n" + Self.head).utf8), "", "twice"),
      ([0xff, 0xfe, 0x00], "", "UTF-8"),
      (file("- &a address: 10.0.0.1:1"), ":12:", "aliases"),
      (file("- *a"), ":12:", "aliases"),
      ([UInt8](repeating: 35, count: (1 << 20) + 1), "", "1 MiB"),
    ]
    for (bytes, place, why) in cases {
      let answer = refusal(bytes)
      #expect(answer.hasPrefix("p.yaml\(place)"), "\(answer)")
      #expect(why.isEmpty || answer.contains(why), "\(answer)")
    }
  }

  @Test("a thousand broken files: each is read or refused, none ends the process")
  func mutants() {
    var seed: UInt64 = 1
    func draw(_ bound: Int) -> Int {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(seed >> 33) % bound
    }
    let good = file("- address: 10.0.0.1:16443", "- address: '[fd00::1]:16443'")
    var taken = 0
    for _ in 0..<1000 {
      var bytes = good
      for _ in 0...draw(3) {
        switch draw(3) {
        case 0: bytes[draw(bytes.count)] = UInt8(draw(256))
        case 1: bytes.removeLast(min(draw(40), bytes.count - 1))
        default: bytes.insert(UInt8(draw(128)), at: draw(bytes.count))
        }
      }
      let addresses = (try? ProviderReader.addresses(bytes, file: "p.yaml")) ?? []
      taken += addresses.isEmpty ? 0 : 1
    }
    #expect(taken > 0 && taken < 1000)
  }
}

@Suite struct ProviderWriterTests {
  private func addresses(_ texts: String...) -> [Address] { texts.compactMap { Address($0) } }

  private func text(_ servers: [Address], _ old: String?) throws -> String {
    String(
      decoding: try ProviderWriter.text(
        servers, replacing: old.map { Array($0.utf8) }, file: "p.yaml"), as: UTF8.self)
  }

  private let golden = try? String(
    contentsOf: URL(filePath: #filePath).appending(
      path: "../../../Fixtures/microk8s/provider.yaml"
    ).standardizedFileURL, encoding: .utf8)

  @Test("a new file is MicroK8s's, byte for byte, and a refresh of one too")
  func isGolden() throws {
    let servers = addresses("127.0.0.1:17003", "127.0.0.1:17002")
    #expect(try text(servers, nil) == golden)
    let other = try text(addresses("10.0.0.1:16443", "[fd00::1]:16443", "10.0.0.3:16443"), golden)
    #expect(try text(servers, other) == golden)
  }

  @Test("what an operator added stays: comments, a health check, a transport, another service")
  func foreign() throws {
    let old = """
      # ours
      tcp:
        serversTransports:
          slow:
            dialTimeout: 5s  # a far host
        services:
          kube-apiserver:
            loadBalancer:
              serversTransport: slow
              servers:
                - address: "10.0.0.1:16443"
                  tls: false
                # the second
                - address: "10.0.0.2:16443"
              healthCheck:
                interval: 1s
          other: {loadBalancer: {servers: [{address: "10.0.0.9:1"}]}}

      """
    let new = try text(addresses("10.0.0.3:16443"), old).split(separator: "\n")
    let expected = old.split(separator: "\n")
    #expect(new.prefix(10) == expected.prefix(10))
    #expect(new[10] == "          - address: 10.0.0.3:16443")
    #expect(new.dropFirst(11) == expected.suffix(3))
  }

  @Test("a list in one line is replaced too, and the rest keeps its meaning")
  func flow() throws {
    let old = """
      tcp: {services: {kube-apiserver: {loadBalancer:
        {terminationDelay: 5, servers: [{address: "a:1"}]}}}}
      """
    let new = try text(addresses("b:2", "[::1]:3"), old)
    #expect(new.contains("terminationDelay: 5"))
    #expect(
      try ProviderReader.addresses(Array(new.utf8), file: "").map(\.description).sorted()
        == ["[::1]:3", "b:2"])
  }

  @Test("a file that cannot be understood is replaced by a good one, and an empty list by nothing")
  func broken() throws {
    #expect(try text(addresses("127.0.0.1:17003", "127.0.0.1:17002"), "tcp: [") == golden)
    #expect(throws: (any Error).self) { try text([], golden) }
  }
}

@Suite struct ProxyArgumentsTests {
  @Test(
    "the refresh interval is read as MicroK8s's file and people write it",
    arguments: [
      ("--refresh-interval 0\n", 0), ("--refresh-interval 0s", 0), ("--refresh-interval=45s", 45),
      ("--kubeconfig ${X}/y\n--refresh-interval \"1m30s\"\r\n", 90), ("", 30),
      ("# --refresh-interval 0\n", 30),
    ])
  func good(text: String, seconds: Int64) throws {
    #expect(try ProxyArguments.parse(Array(text.utf8), file: "args").refreshInterval == seconds)
  }

  @Test("a wrong one is refused with file and line", arguments: ["soon", "", "-5s", "1.5s"])
  func bad(text: String) {
    let error = #expect(throws: Failure.self) {
      try ProxyArguments.parse(Array("--x y\n--refresh-interval \(text)\n".utf8), file: "args")
    }
    #expect("\(error.map { "\($0)" } ?? "")".hasPrefix("args:2: --refresh-interval"))
  }
}

@Suite struct WorkerStateTests {
  private func server(_ number: Int) -> EndpointsAnswer.Server {
    .init(
      node: "\(number)", name: "n\(number)", apiserver: "10.0.0.\(number):16443",
      cluster: "10.0.0.\(number):25000", key: "\(number)")
  }

  private func list(_ index: UInt64, _ numbers: ClosedRange<Int>, incarnation: UInt64 = 1)
    -> EndpointsAnswer
  {
    EndpointsAnswer(
      cluster: "c", incarnation: incarnation, index: index, servers: numbers.map(server))
  }

  @Test("every server ever told of stays a seed, the join's for ever, through every restart")
  func seeds() throws {
    var state = WorkerState(list(1, 1...1))
    for index in 2...200 {
      state = try #require(state.following(list(UInt64(index), index...(index + 1))))
      state = try WorkerState(parsing: try state.encoded())
    }
    #expect(state.list == list(200, 200...201))
    #expect(state.earlier.first?.key == "1")
    #expect(state.earlier.count == 63 && state.earlier.last?.key == "199")
    let joined = try WorkerState(parsing: try JSON.encode(list(1, 1...3)))
    #expect(joined == WorkerState(list(1, 1...3)), "as a join writes it")
  }

  @Test("an old list, an empty one and one of another cluster or incarnation are not taken")
  func staleness() {
    let state = WorkerState(list(10, 1...3))
    #expect(state.following(list(10, 4...5)) == nil)
    #expect(state.following(list(9, 4...5)) == nil)
    #expect(state.following(list(11, 4...5, incarnation: 0)) == nil)
    var other = list(11, 4...5)
    other.cluster = "d"
    #expect(state.following(other) == nil)
    other = list(11, 4...5)
    other.servers = []
    #expect(state.following(other) == nil)
    #expect(state.following(list(11, 4...5))?.list.servers.count == 2)
  }
}
