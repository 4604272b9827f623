// The Kubernetes API of a node: as kubectl sees it, as a worker reaches it, and as nobody else does.

import Foundation
import Testing

extension Program {
  @Suite("The Kubernetes API", .serialized, .timeLimit(.minutes(4)))
  struct KubernetesTests {
    private static let hasKubectl = !Kubectl.programs.isEmpty
    private static let missing: Comment =
      "no kubectl here: tools/test unpacks Debian's kubernetes-client"

    @Test(
      "kubectl lists, shows, describes, selects and waits for nodes, and may change none",
      .enabled(if: hasKubectl, missing), arguments: Kubectl.programs)
    func reads(_ program: String) async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let w1 = try await stage.started("w1")
        try await n1.admit(w1, worker: true)
        let kubectl = Kubectl(program, n1)
        try await kubectl.succeed("wait", "--for=condition=Ready", "node/w1", "--timeout=40s")
        let rows = try await kubectl.succeed("get", "nodes").split(separator: "\n").map {
          $0.split(separator: " ").map(String.init)
        }
        #expect(rows[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"])
        #expect(
          rows.dropFirst().map { $0[0...2].joined(separator: " ") } == [
            "n1 Ready control-plane", "w1 Ready <none>",
          ])
        #expect(rows[1][4].hasPrefix("muster-"))
        let wide = try await kubectl.succeed("get", "no", "-o", "wide")
        #expect(wide.contains("INTERNAL-IP") && wide.contains(n1.address))
        #expect(try await kubectl.succeed("get", "nodes", "-o", "name") == "node/n1\nnode/w1\n")
        let control = "node-role.kubernetes.io/control-plane"
        #expect(
          try await kubectl.succeed("get", "nodes", "-l", control, "-o", "name") == "node/n1\n")
        #expect(
          try await kubectl.succeed("get", "nodes", "-l", "!" + control, "-o", "name")
            == "node/w1\n")
        #expect(
          try await kubectl.succeed(
            "get", "nodes", "--field-selector", "metadata.name=w1", "-o", "name") == "node/w1\n")
        #expect(
          try await kubectl.succeed("get", "nodes", "--chunk-size=1").split(separator: "\n").count
            == 3)
        let yaml = try await kubectl.succeed("get", "node", "n1", "-o", "yaml")
        #expect(yaml.contains("\n  - address: \(n1.address)\n    type: InternalIP\n"))
        #expect(yaml.contains("\n    kubernetes.io/hostname: n1\n"))
        #expect(yaml.contains("\n    reason: MembershipOnly\n"))
        let path = "{.items[*].status.nodeInfo.kubeletVersion}"
        #expect(
          try await kubectl.succeed("get", "nodes", "-o", "jsonpath=" + path)
            == rows[1][4] + " " + rows[2][4])
        let described = try await kubectl.succeed("describe", "node", "w1")
        #expect(described.contains("no kubelet is known here"))
        #expect(described.contains("Events:"))
        try await rest(kubectl)
      }
    }

    private func rest(_ kubectl: Kubectl) async throws {
      #expect(try await kubectl.succeed("api-resources", "-o", "name").contains("nodes\n"))
      #expect(try await kubectl.succeed("api-versions").contains("discovery.k8s.io/v1\n"))
      #expect(try await kubectl.succeed("get", "all").contains("kubernetes"))
      #expect(try await kubectl.succeed("cluster-info").contains("is running at"))
      #expect(try await kubectl.succeed("version").contains("muster-"))
      #expect(try await kubectl.succeed("get", "--raw", "/readyz") == "ok")
      let refused: [(words: [String], says: String)] = [
        (["get", "node", "n9"], "(NotFound): nodes \"n9\" not found"),
        (["get", "pods"], "the server doesn't have a resource type \"pods\""),
        (["get", "nodes", "--field-selector", "spec.x=1"], "field label not supported: spec.x"),
        (["get", "nodes", "-l", "a in (b"], "unable to parse requirement"),
        (["delete", "node", "n1"], "muster remove-node"),
        (["cordon", "n1"], "muster remove-node"),
        (["label", "node", "n1", "a=b"], "muster remove-node"),
      ]
      for (words, says) in refused {
        let outcome = try await Tool(
          kubectl.program, ["--kubeconfig", kubectl.kubeconfig] + words, kubectl.folder
        ).ended()
        #expect(outcome.code == 1 && outcome.err.contains(says), "\(words): \(outcome)")
      }
    }

    @Test(
      "kubectl get -w tells of a node that joins, leaves and is removed",
      .enabled(if: hasKubectl, missing), arguments: Kubectl.programs)
    func watches(_ program: String) async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let n4 = try await stage.started("n4")
        let kubectl = Kubectl(program, nodes[0])
        let watch = try kubectl.begin("get", "nodes", "-w")
        try await eventually("the list is printed") { watch.lines.count >= 4 }
        try await nodes[1].admit(n4)
        func rows() -> [String] { watch.lines.filter { $0.hasPrefix("n4 ") } }
        try await eventually("the join is told, and that it answers") {
          rows().contains { $0.split(separator: " ")[1] == "Ready" }
        }
        let gone = try kubectl.begin("wait", "--for=delete", "node/n4", "--timeout=60s")
        try await n4.succeed("leave")
        try await eventually("the departure is told") {
          rows().last?.split(separator: " ")[1] == "NotReady"
        }
        try await nodes[2].succeed("remove-node", "n4")
        #expect(try await gone.ended().code == 0)
        #expect(try await kubectl.succeed("get", "nodes").contains("n4") == false)
      }
    }

    @Test(
      "on a worker kubectl goes on reading while any one API server is killed and comes back",
      .enabled(if: hasKubectl, missing))
    func worker() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let w1 = try await stage.started("w1")
        try await nodes[0].admit(w1, worker: true)
        #expect(try await w1.succeed("config").contains("https://\(w1.address):16443"))
        let kubectl = Kubectl(try #require(Kubectl.programs.last), w1)
        for node in nodes {
          let kill = Task { [kubectl] in
            var reads = 0
            while !Task.isCancelled {
              try await kubectl.succeed("get", "nodes")
              reads += 1
            }
            return reads
          }
          try await eventually("kubectl reads") {
            try await kubectl.succeed("get", "nodes").contains("w1")
          }
          node.kill()
          for _ in 0..<8 { try await kubectl.succeed("get", "nodes") }
          try await node.start()
          kill.cancel()
          #expect(try await kill.value > 0)
          try await eventually("all are in order again") {
            let status = try await nodes[0].status()
            return status.highAvailability && status.masters.count == 3
          }
        }
      }
    }
  }
}
