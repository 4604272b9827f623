// What the doctor says is to be done: that it does it.

import Membership
import Testing

@testable import Agent

@Suite("The doctor's advice")
struct DoctorAdviceTests {
  @Test("What is advised is what helps")
  func advice() {
    func found(_ id: String, _ facts: DoctorFacts) -> Diagnosis.Finding? {
      Diagnosis(facts, only: id).findings.first
    }
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
}
