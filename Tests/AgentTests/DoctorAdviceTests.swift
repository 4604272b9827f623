// What the doctor says is to be done: that it does it.

import Membership
import Testing

@testable import Agent

@Suite("The doctor's advice")
struct DoctorAdviceTests {
  @Test("What is advised is what helps")
  func advice() {
    // A worker's list is the agent's, which writes it at its start; a pinned one is the operator's.
    var worker = DoctorTests.well(.worker)
    worker.provider = .value([DoctorTests.address("127.0.15.9:16443")])
    #expect(found("PRX-02", worker)?.fix == "systemctl restart muster")
    worker.provider = .broken("provider.yaml:3: an address")
    #expect(found("PRX-01", worker)?.fix == "systemctl restart muster")
    #expect(found("NET-06", worker)?.finding.contains("as the control plane last told") == true)
    worker.proxyArguments = .value(ProxyArguments(refreshInterval: 0))
    #expect(found("PRX-01", worker)?.fix?.hasSuffix("provider.yaml") == true)
    worker = DoctorTests.well(.worker)
    worker.proxyArguments = .value(ProxyArguments(refreshInterval: 0))
    if var list = worker.worker.value?.list {
      list.servers.append(
        .init(
          node: "0000000000000003", name: "n3", apiserver: "127.0.15.3:16443",
          cluster: "127.0.15.3:25000", key: DoctorTests.digest(3).description))
      worker.worker = .value(WorkerState(list))
    }
    #expect(found("PRX-02", worker)?.finding.contains("lacks 127.0.15.3:16443") == true)
    // A list of others than the cluster's servers lacks none of them.
    worker.provider = .value([DoctorTests.address("127.0.15.9:16443")])
    worker.apiservers = [("127.0.15.9:16443", nil)]
    #expect(found("PRX-02", worker)?.level == .pass)
    var node = DoctorTests.well()
    for i in 0...1 { node.peers[i].problem = "refused" }
    #expect(
      found("NET-04", node)?.fix == "nc -vz 127.0.15.2 25000; nc -vz 127.0.15.3 25000")
    var away = [DoctorTests.member(1), DoctorTests.member(2), DoctorTests.member(3)]
    for i in 1...2 { away[i].maintenance = .init(index: 9, since: DoctorTests.now, until: nil) }
    node.state = DoctorTests.state(away)
    #expect(
      found("HA-09", node)?.fix
        == "muster maintenance exit n2 --data-dir /data; "
        + "muster maintenance exit n3 --data-dir /data")
    // Of who is no member any more nothing else is asked than to leave.
    var gone = DoctorTests.well()
    gone.peers[0].departure = "removed at index 9 by root@n2"
    gone.live = nil
    gone.listeners = []
    let wrong = Diagnosis(gone).findings.filter { $0.level == .warn || $0.level == .fail }
    #expect(wrong.map(\.id) == ["MU-ID-04"], "\(wrong)")
  }

  private func found(_ id: String, _ facts: DoctorFacts) -> Diagnosis.Finding? {
    Diagnosis(facts, only: id).findings.first
  }

  @Test("A log is repaired on the stopped node: the advice stops the agent first")
  func repair() {
    var node = DoctorTests.well()
    node.log = .broken("index 4: hash")
    #expect(
      found("LOG-01", node)?.fix
        == "systemctl stop muster.service; muster repair --data-dir /data")
    node.agent?.unit = nil
    #expect(
      found("LOG-01", node)?.fix
        == "kill 4711; tail --pid=4711 -f /dev/null; muster repair --data-dir /data")
    node.agent = nil
    #expect(found("LOG-01", node)?.fix == "muster repair --data-dir /data")
  }

  @Test("Where a worker forwards nobody, nobody listens for the API servers, and that is right")
  func withoutProxy() {
    var worker = DoctorTests.well(.worker)
    worker.listeners.removeAll { $0.port == 16443 }
    #expect(found("NET-03", worker)?.level == .fail)
    worker.hasProxy = false
    #expect(found("NET-03", worker)?.level == .pass)
    // Nor does it matter then who has the port.
    worker.agent = nil
    worker.listeners = [.init(host: "127.0.0.1", port: 16443, pid: 5)]
    #expect(found("NET-03", worker)?.level == .pass)
  }

  @Test("Of a pinned list is told which servers are gone, and which it lacks")
  func pinned() {
    var worker = DoctorTests.well(.worker)
    worker.proxyArguments = .value(ProxyArguments(refreshInterval: 0))
    let others = ["127.0.15.8:16443", "127.0.15.9:16443"]
    worker.provider = .value(others.map { DoctorTests.address($0) })
    worker.apiservers = [(others[0], nil), (others[1], "refused")]
    #expect(
      found("PRX-02", worker)?.finding
        == "it is pinned (--refresh-interval 0), and 1 of the 2 that it lists is gone: "
        + "127.0.15.9:16443; it lacks 127.0.15.2:16443, of which the control plane said at index 3")
    worker.apiservers = others.map { ($0, "refused") }
    #expect(
      found("PRX-02", worker)?.finding.contains(
        "2 of the 2 that it lists are gone: 127.0.15.8:16443 127.0.15.9:16443; it lacks ") == true)
  }
}
