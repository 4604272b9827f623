// Machines get other addresses: by DHCP, by a move to another network.

import Foundation
import Testing

extension Program {
  @Suite("A node that moved")
  struct AddressTests {
    /// Restarts a node at another address, and waits until the whole cluster knows.
    private func move(_ node: Node, in nodes: [Node]) async throws {
      let old = node.address
      #expect(try await node.stop() == 0)
      node.address = Stage.address()
      try await node.start()
      for witness in nodes {
        try await eventually("\(witness.name) sees \(node.name) at \(node.address)") {
          let status = try await witness.status()
          return status.highAvailability && status.masters.contains(node.address + ":19001")
            && !status.masters.contains(old + ":19001")
        }
      }
    }

    @Test("is found by the others, whoever it is, and so are all one after the other")
    func moves() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        let leader = try #require(try await nodes[0].status().leader)
        let order = nodes.sorted { $0.name != leader && $1.name == leader }
        for node in order { try await move(node, in: nodes) }
        // Everybody is somewhere else now; workers and certificates followed.
        let servers = nodes.map { $0.address + ":16443" }.sorted()
        let provider = URL(fileURLWithPath: worker.data + "/args/traefik/provider.yaml")
        try await eventually("the worker's list has the new addresses") {
          let text = try String(contentsOf: provider, encoding: .utf8)
          return text.split(separator: "\n").compactMap {
            $0.contains("- address: ") ? String($0.split(separator: " ").last ?? "") : nil
          }.sorted() == servers
        }
        for node in nodes where FileManager.default.isExecutableFile(atPath: "/usr/bin/curl") {
          let outcome = try await Tool(
            "curl",
            [
              "--silent", "--show-error", "--cacert", node.data + "/kubernetes/ca.crt",
              "https://\(node.address):16443/livez",
            ], node.folder
          ).ended()
          #expect(outcome.out == "ok", "\(node.name): \(outcome)")
        }
        let moved = try await nodes[0].events().filter { $0.type == "endpoint.refreshed" }
        #expect(moved.count >= 6, "one for each join, one for each move")
        #expect(try await nodes[0].run("verify", "--cluster").code == 0)
      }
    }

    @Test("A hint for a node that nobody is called is told in the log, with those there are")
    func unusedHints() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let n2 = try await stage.started("n2")
        let w1 = try await stage.started("w1")
        try await n1.admit(n2)
        try await n1.admit(w1, worker: true)
        for node in [n2, w1] {
          #expect(try await node.stop() == 0)
          for (name, words) in [
            ("ghost", "this node knows no \"ghost\"; it knows n1"), ("n1", ""),
            (node.name, "this node itself is \(node.name)"),
          ] {
            node.flags = ["--peer", "\(name)=\(n1.address)"]
            try await node.start()
            let told =
              node.agent?.err.contains("--peer \(name)=\(n1.address) is not used: ") == true
            #expect(
              told == !words.isEmpty && (words.isEmpty || node.log.contains(words)),
              "\(name): \(node.log)")
            #expect(try await node.stop() == 0)
          }
        }
        n2.flags = ["--peer", "w1=\(w1.address)"]
        try await n2.start()
        #expect(n2.log.contains("w1 is a worker, and only control-plane nodes are dialled"))
      }
    }

    @Test("All at once, the laboratory moved: they find one another if one of each two is told")
    func allAtOnce() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        for node in nodes { #expect(try await node.stop() == 0) }
        #expect(try await worker.stop() == 0)
        for node in stage.nodes { node.address = Stage.address() }
        // Nobody finds anybody: it starts all the same, says so and changes nothing.
        try nodes[0].launch()
        try await eventually("n1 answers, without a leader") {
          let status = try await nodes[0].run("status")
          return status.code == 0
            && status.out.contains("can lose: unknown, no contact to a leader")
            && status.out.contains("2 of 3 voters must reach one another")
        }
        let change = try await nodes[0].run("add-node", "--timeout", "1s")
        #expect(change.code == 7, "\(change)")
        #expect(try await nodes[0].stop() == 0)
        // Nobody is where the log says, and n1 hears from those who were told of it.
        let hint = ["--peer", "n1=\(nodes[0].address)"]
        for node in stage.nodes.dropFirst() { node.flags = hint }
        nodes[2].flags += ["--peer", "n2=\(nodes[1].address)"]
        for node in stage.nodes { try node.launch() }
        try await eventually("all are found, by the worker too") {
          let status = try await nodes[0].run("status")
          return status.code == 0 && status.out.contains("high-availability: yes\n")
            && stage.nodes.allSatisfy { status.out.contains($0.address + ":25000") }
        }
        let provider = URL(fileURLWithPath: worker.data + "/args/traefik/provider.yaml")
        try await eventually("the worker's list has the new addresses") {
          let text = try String(contentsOf: provider, encoding: .utf8)
          return nodes.allSatisfy { text.contains("- address: \($0.address):16443") }
        }
      }
    }
  }
}
