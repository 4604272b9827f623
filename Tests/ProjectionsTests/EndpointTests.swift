import Membership
import Projections
import Testing

@Suite struct EndpointTests {
  @Test("provider.yaml is MicroK8s's, byte for byte: sorted as strings, each server once")
  func provider() throws {
    let servers = ["127.0.0.1:17003", "127.0.0.1:17002", "127.0.0.1:17003"].map(address)
    try expect(try ProviderFile.render(servers), matches: "microk8s/provider.yaml")
    let mixed = ["[fd00::2]:16443", "9.0.0.1:16443", "10.0.0.1:16443", "n1.lan:1"].map(address)
    let lines = try ProviderFile.render(mixed).split(separator: "\n").suffix(4)
    #expect(
      lines.map(String.init) == [
        "        - address: 10.0.0.1:16443", "        - address: 9.0.0.1:16443",
        "        - address: '[fd00::2]:16443'", "        - address: n1.lan:1",
      ])
  }

  @Test("provider.yaml is never written from an empty list")
  func empty() {
    #expect(throws: ProviderFile.Empty()) { try ProviderFile.render([]) }
  }

  @Test("API servers that are suspected, unready or gone are not listed, unless none is left")
  func serving() {
    var stage = Scenery(controlPlane: 3)
    stage.join(4, .worker)
    func listed() -> [String] { EndpointList(stage.cluster).apiservers.map(\.description) }
    #expect(listed() == ["10.0.0.1:16443", "10.0.0.2:16443", "10.0.0.3:16443"])
    stage.suspect(2)
    #expect(listed() == ["10.0.0.1:16443", "10.0.0.3:16443"])
    stage.setReady(1, false)
    #expect(listed() == ["10.0.0.3:16443"])
    stage.assign(
      [2: .standby, 3: nil], cause: .departure,
      departing: .init(node: NodeID(3), kind: .leave, forced: false), joint: true, settle: true)
    #expect(listed() == ["10.0.0.3:16443"], "it serves until it left")
    stage.append(.nodeLeft(NodeLeft(node: NodeID(3))))
    #expect(listed() == ["10.0.0.1:16443", "10.0.0.2:16443"], "none fit is left: all, without it")
  }

  @Test("The list tells every control-plane key, also of nodes that do not serve")
  func keys() {
    var stage = Scenery(controlPlane: 3)
    stage.suspect(2)
    let list = EndpointList(stage.cluster)
    #expect(list.servers.map(\.key) == [digest(1), digest(2), digest(3)])
    #expect(list.servers.map(\.serving) == [true, false, true])
    #expect(list.index == stage.cluster.lastIndex)
    #expect(list.incarnation == 1 && list.cluster == ClusterID(0xc1))
    stage.join(9, .worker)
    #expect(EndpointList(stage.cluster) == list, "a worker changes nothing in it")
  }

  @Test("Masters and standbys are in the order of joining, spares in neither list")
  func datastore() {
    let nodes = DatastoreNodes(Scenery(controlPlane: 7).cluster)
    #expect(nodes.masters.map(\.description) == (1...3).map { "10.0.0.\($0):19001" })
    #expect(nodes.standbys.map(\.description) == (4...6).map { "10.0.0.\($0):19001" })
  }
}
