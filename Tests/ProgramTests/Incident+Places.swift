// Bad nights with names, addresses and files: see IncidentTests.

import Foundation
import Testing

extension ProgramInTrouble.IncidentTests {
  @Test(
    "Machines whose names resolve nowhere join by address; a wrong name is told at once")
  func unresolvable() async throws {  // #3152 #2967 #3225 #3636 #3258, PRs #2835 #2838
    try await onStage { stage in
      let first = try await stage.started("no-such-machine.invalid")
      let second = try await stage.started("nor-this-one.invalid")
      let lines = try await first.succeed("add-node").split(separator: "\n")
      for line in lines where line.hasPrefix("muster join ") {
        #expect(line.hasPrefix("muster join \(first.address):25000/"), "what works, by address")
      }
      let string = try await first.invitation()
      let parts = string.split(separator: "/")
      let wrong = try await second.run("join", "\(first.name):25000/\(parts[1])/\(parts[2])")
      #expect(wrong.code == 5, "\(wrong)")
      #expect(Self.reason(wrong).hasSuffix("\(first.name):25000: the name is not known"))
      #expect(!wrong.out.contains("Successfully"))
      try await second.succeed("join", string)
      try await eventually("both are there under their names") {
        let status = try await second.status()
        return status.nodes.map(\.name) == [first.name, second.name]
          && status.nodes.allSatisfy { $0.status == "Ready" }
      }
    }
  }

  @Test(
    "What add-node prints for IPv6 works as it is, and a name in its place, too")
  func names() async throws {  // #4614 #3751 #1751 #4396, PR #5521
    try await onStage { stage in
      let n1 = Node("n1", "::1", in: stage.folder)
      defer { n1.kill() }
      n1.flags = ["--cluster-port", "25611", "--datastore-port", "19611"]
      n1.flags += ["--apiserver-port", "16611", "--extra-address", "127.0.0.1"]
      try await n1.start()
      let printed = try await n1.succeed("add-node", "--uses", "3").split(separator: "\n")
        .filter { $0.hasPrefix("muster join ") && !$0.hasSuffix("--worker") }
        .map { String($0.split(separator: " ")[2]) }
      let strings = Set(printed).sorted()
      #expect(strings.map { $0.prefix { $0 != "/" } } == ["127.0.0.1:25611", "[::1]:25611"])
      let named = strings[0].replacingOccurrences(of: "127.0.0.1", with: "localhost")
      for (number, string) in (strings + [named]).enumerated() {
        let joined = try await stage.started("w\(number)").succeed("join", string, "--worker")
        let host = string.prefix { $0 != "/" }.dropLast(":25611".count)
        #expect(joined.hasPrefix("Contacting cluster at \(host.filter { !"[]".contains($0) })\n"))
      }
      #expect(try await n1.status().nodes.map(\.name) == ["n1", "w0", "w1", "w2"])
    }
  }

  @Test(
    "A machine whose address leads elsewhere is told so, and nothing changed"
  )
  func wrongAddress() async throws {  // #4396 #4122 #2402 #2511, cluster-agent PR #27
    try await onStage { stage in
      let n1 = try await stage.started("n1")
      let before = try await n1.invitation()
      let (index, string) = (try await n1.status().index, before)

      // One that this machine does not have cannot be bound, and is no reason to begin anything.
      let alien = stage.node("alien", ("192.0.2.99", []))
      let unbound = try await Program.Running(alien.arguments, in: stage.folder).ended()
      #expect(unbound.code == 2, "\(unbound)")
      #expect(unbound.err.contains("this machine does not have that address; it has 127.0.0.1"))

      // One where nobody is, as that of a load balancer or of another network.
      let node = stage.node("n2")
      let (lived, nowhere) = (node.address, Stage.address())
      node.address = nowhere
      node.flags = ["--listen", lived]
      try await node.start()
      for flags in [["--dry-run"], []] {
        let refused = try await node.run(["join", string] + flags)
        #expect(refused.code == 5, "\(refused)")
        let reason = Self.reason(refused)
        #expect(reason.contains("n2 is not reachable from n1"))
        #expect(reason.contains("\(nowhere):25000") && reason.contains("the token still counts"))
        #expect(reason.contains("--address") && reason.contains("--listen"))
      }
      // Nor one where another node is.
      #expect(try await node.stop() == 0)
      let other = try await stage.started("n9")
      node.address = other.address
      try await node.start()
      let other25000 = try await node.run("join", string)
      #expect(other25000.code == 5, "\(other25000)")
      #expect(
        Self.reason(other25000).contains("the node at \(other.address):25000 has another key"))
      #expect(try await n1.status().index == index, "nothing was recorded")
      #expect(try await n1.status().nodes.map(\.name) == ["n1"])

      #expect(try await node.stop() == 0)
      node.address = lived
      node.flags = []
      try await node.start()
      try await node.succeed("join", string)
      #expect(try await node.status().nodes.map(\.name) == ["n1", "n2"])
    }
  }

  @Test(
    "A worker restarts while all servers are down: its list and its kubeconfig stay"
  )
  func workerAlone() async throws {  // #4197 #3572 #3643, and #5273 for the kubeconfig
    try await onStage { stage in
      let n1 = try await stage.started("n1")
      let n2 = try await stage.started("n2")
      try await n1.admit(n2)
      let worker = try await stage.started("w1")
      let own = try await worker.succeed("config")
      try await n1.admit(worker, worker: true)
      let provider = worker.data + "/args/traefik/provider.yaml"
      func list() throws -> String { try String(contentsOfFile: provider, encoding: .utf8) }
      try await eventually("it lists both API servers") {
        [n1, n2].allSatisfy { (try? list())?.contains("- address: \($0.address):16443") == true }
      }
      let (before, config) = (try list(), try await worker.succeed("config"))
      #expect(config != own && config.contains("https://\(worker.address):16443"))
      n1.kill()
      n2.kill()
      worker.kill()
      try worker.launch()
      try await eventually("it serves, and says that nobody answers") {
        let status = try await worker.run("status", "--timeout", "2s")
        return status.code == 5 && status.err.contains("muster doctor here says")
      }
      #expect(try list() == before)
      #expect(try await worker.succeed("config") == config)
      var doctor = Program.Outcome(code: 0, out: "", err: "")
      // On a busy machine it may find first that the disk takes long.
      try await eventually("the doctor finds that nobody answers") {
        doctor = try await worker.run("doctor")
        return doctor.out.contains("fail  MU-NET-06") || doctor.out.contains("fail  MU-NET-04")
      }
      #expect(!doctor.out.contains("fail  MU-PRX"), "\(doctor)")
      for server in [n1, n2] { try server.launch() }
      try await eventually("it follows again") {
        try await worker.run("status").code == 0
      }
      #expect(try list() == before)
      #expect(try await worker.succeed("config") == config)
    }
  }
}
