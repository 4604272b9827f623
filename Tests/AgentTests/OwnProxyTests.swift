import Membership
import Testing

@testable import Agent

@Suite("Where a control-plane node's proxy listens")
struct OwnProxyTests {
  private func settings(
    _ address: String, listen: String? = nil, endpoint: String? = nil,
    _ change: (inout Settings) -> Void = { _ in }
  ) throws -> Settings {
    var settings = Settings(
      dataDirectory: DataDirectory("/nowhere"), name: "n1", address: try Host(parsing: address),
      listen: try Host(parsing: listen ?? address), extraAddresses: [], clusterPort: 25000,
      datastorePort: 19001, apiserverPort: 16443,
      apiserverEndpoint: try endpoint.map { try Address(parsing: $0) }, failureDomain: "1")
    change(&settings)
    return settings
  }

  @Test("on loopback, wherever this node's own API server is not")
  func places() throws {
    let loopback = ["127.0.0.1", "::1"]
    #expect(try settings("10.0.0.1").ownProxy.hosts == loopback)
    #expect(try settings("fd00::1").ownProxy.hosts == loopback)
    #expect(try settings("10.0.0.1", endpoint: "10.0.0.1:6443").ownProxy.hosts == loopback)
    let own = try settings("127.9.9.9", endpoint: "127.9.9.9:6443").ownProxy
    #expect(own.hosts == ["127.9.9.9"] && own.reason == nil)
  }

  @Test("nowhere, with a reason, where that would take the API server's port")
  func nowhere() throws {
    for settings in [
      try settings("127.0.0.1"), try settings("127.0.0.2"), try settings("::1"),
      try settings("10.0.0.1", listen: "0.0.0.0"), try settings("10.0.0.1", listen: "::"),
      try settings("10.0.0.1", listen: "127.0.0.1"),
      try settings("10.0.0.1", endpoint: "10.0.0.1:16443"),
      try settings("10.0.0.1") { $0.hasProxy = false },
    ] {
      let own = settings.ownProxy
      #expect(own.hosts.isEmpty && own.reason != nil, "\(settings)")
    }
    #expect(
      try settings("10.0.0.1", endpoint: "10.0.0.1:16443") { $0.apiserverPort = 6443 }
        .ownProxy.reason == nil)
  }
}
