// The hooks that are shipped for kubeadm, k3s and MicroK8s, run as an agent runs them, with
// programs in the place of the real ones that write down what they were asked.

import Foundation
import Testing

extension Program {
  @Suite("Examples of hooks")
  struct HookExampleTests {
    /// A machine that has what the hooks want, as far as they see.
    private struct Machine {
      let folder: URL
      private static let tools = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
          "tools/hooks")

      init() throws {
        folder = URL(fileURLWithPath: "/tmp/muster-examples-\(UUID().uuidString)")
        try write("", "asked")
        for program in ["systemctl", "kubeadm", "k3s", "snapctl", "snap", "kubectl"] {
          let words = """
            #!/bin/bash
            echo "\(program) $*" >> "\(folder.path)/asked"
            if [[ "\(program) $1" == "kubeadm token" ]]; then echo abcdef.0123456789abcdef; fi
            if [[ "$1" == join ]]; then cp "$3" "\(folder.path)/configuration"; fi

            """
          try write(words, "bin/" + program)
          try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: path("bin/" + program))
        }
      }

      func end() { try? FileManager.default.removeItem(at: folder) }
      func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
      func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
      func text(_ name: String) -> String {
        (try? String(contentsOfFile: path(name), encoding: .utf8)) ?? ""
      }
      func write(_ text: String, _ name: String) throws {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
      }

      /// What was asked of the programs since the last time.
      func asked() throws -> [String] {
        let lines = text("asked").split(separator: "\n").map(String.init)
        try write("", "asked")
        return lines
      }

      /// Runs a hook to its end.
      func run(
        _ example: String, _ hook: String, about: String, isSelf: Bool,
        role: String = "control-plane", _ extra: [String: String] = [:]
      ) throws -> (code: Int32, err: String) {
        let data = path("data")
        try write(
          """
          {"hook":"\(hook)",\
          "about":[{"id":"1","name":"\(about)","clusterAddress":"10.0.0.2:25000"}],\
          "before":{"node":null,"endpoints":["10.0.0.1:6443"]},\
          "after":{"endpoints":["10.0.0.1:6443","10.0.0.2:6443"]}}

          """, "input")
        let process = Process()
        process.executableURL = Self.tools.appendingPathComponent(example)
        process.environment = [
          "PATH": "\(path("bin")):/usr/bin:/bin", "MUSTER_HOOK": hook, "MUSTER_NODE": "n2",
          "MUSTER_ROLE": role, "MUSTER_ABOUT": about, "MUSTER_ABOUT_SELF": isSelf ? "yes" : "no",
          "MUSTER_DATA_DIR": data, "MUSTER_RECEIVED": data + "/received",
          "MUSTER_HOOK_SETTINGS": path("settings"), "KUBERNETES_DIR": path("kubernetes"),
          "K3S_DATA_DIR": path("k3s"), "K3S_CONFIG_DIR": path("k3s-etc"), "K3S_PATIENCE": "0",
          "SNAP_DATA": path("snap"), "KUBEADM_INIT": path("init.yaml"),
        ].merging(extra) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: path("input")))
        try write("", "err")
        process.standardError = try FileHandle(
          forWritingTo: URL(fileURLWithPath: path("err")))
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, text("err"))
      }
    }

    private func onMachine(_ body: (Machine) throws -> Void) throws {
      let machine = try Machine()
      defer { machine.end() }
      try body(machine)
    }

    private static let pki = [
      "ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key",
      "etcd/ca.crt", "etcd/ca.key",
    ]

    /// A CA as kubeadm makes one.
    private func makeAuthority(_ machine: Machine, _ folder: String) throws {
      for file in Self.pki { try machine.write("content of \(file)\n", "\(folder)/\(file)") }
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
      process.arguments = [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=kubernetes", "-keyout", "/dev/null", "-out",
        machine.path("\(folder)/ca.crt"),
      ]
      process.standardError = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
    }

    @Test("kubeadm: the first node begins Kubernetes, and what joiners need goes to bundle/")
    func kubeadmForms() throws {
      try onMachine { machine in
        try machine.write("", "init.yaml")
        try makeAuthority(machine, "kubernetes/pki")
        for _ in 0..<2 {
          let outcome = try machine.run("kubeadm", "formed", about: "n2", isSelf: true)
          #expect(outcome.code == 0, "\(outcome)")
          for file in Self.pki {
            let given = "data/bundle/control-plane/pki/\(file)"
            #expect(machine.text(given) == machine.text("kubernetes/pki/\(file)"))
            let mode = try FileManager.default.attributesOfItem(atPath: machine.path(given))
            #expect(mode[.posixPermissions] as? Int == 0o600)
          }
          #expect(!machine.exists("data/bundle/worker/pki/ca.key"))
          #expect(machine.text("data/bundle/worker/token") == "abcdef.0123456789abcdef\n")
        }
        try machine.write("", "kubernetes/admin.conf")
        _ = try machine.asked()
        _ = try machine.run("kubeadm", "formed", about: "n2", isSelf: true)
        #expect(
          try machine.asked() == [
            "systemctl enable --now kubelet", "kubeadm token create --ttl 0",
          ])
      }
    }

    @Test(
      "kubeadm: a joiner takes what it received, no secret stands in an argument, and twice is once"
    )
    func kubeadmJoins() throws {
      try onMachine { machine in
        let without = try machine.run("kubeadm", "joined", about: "n2", isSelf: true)
        #expect(without.code == 1 && without.err.contains("no token"), "\(without)")
        #expect(try machine.asked().isEmpty)
        try makeAuthority(machine, "data/received/pki")
        try machine.write("abcdef.0123456789abcdef\n", "data/received/token")
        let outcome = try machine.run("kubeadm", "joined", about: "n2", isSelf: true)
        #expect(outcome.code == 0, "\(outcome)")
        let asked = try machine.asked()
        #expect(asked.first?.hasPrefix("kubeadm join --config ") == true, "\(asked)")
        #expect(asked.contains("systemctl enable --now kubelet"))
        #expect(!asked.contains { $0.contains("abcdef") })
        let configuration = machine.text("configuration")
        #expect(configuration.contains("apiServerEndpoint: \"10.0.0.1:6443\""))
        #expect(configuration.contains("token: \"abcdef.0123456789abcdef\""))
        #expect(configuration.contains("controlPlane: {}"))
        let hash = try #require(configuration.firstMatch(of: /sha256:([0-9a-f]+)/)?.1)
        #expect(hash.count == 64)
        #expect(machine.text("kubernetes/pki/etcd/ca.key") == "content of etcd/ca.key\n")
        #expect(!machine.exists("data/received/.kubeadm.yaml"))
        try machine.write("", "kubernetes/kubelet.conf")
        _ = try machine.run("kubeadm", "joined", about: "n2", isSelf: true)
        #expect(try machine.asked() == ["systemctl enable --now kubelet"])
      }
    }

    @Test("kubeadm: a worker joins through the proxy; who goes is reset there and forgotten here")
    func kubeadmWorkers() throws {
      try onMachine { machine in
        try makeAuthority(machine, "data/received/pki")
        try machine.write("abcdef.0123456789abcdef\n", "data/received/token")
        let outcome = try machine.run(
          "kubeadm", "joined", about: "n2", isSelf: true, role: "worker")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(machine.text("configuration").contains("\"127.0.0.1:16443\""))
        #expect(!machine.text("configuration").contains("controlPlane"))
        #expect(!machine.exists("kubernetes/pki"))
        _ = try machine.asked()
        for hook in ["left", "removed"] {
          _ = try machine.run("kubeadm", hook, about: "n2", isSelf: true)
          #expect(
            try machine.asked() == ["kubeadm reset --force", "systemctl disable --now kubelet"])
          _ = try machine.run("kubeadm", hook, about: "n3", isSelf: false)
          #expect(try machine.asked() == [])
        }
        try machine.write("", "kubernetes/admin.conf")
        _ = try machine.run("kubeadm", "left", about: "n3", isSelf: false)
        #expect(
          try machine.asked() == [
            "kubectl --kubeconfig \(machine.path("kubernetes/admin.conf")) delete node n3 "
              + "--ignore-not-found"
          ])
        for hook in ["role-changed", "endpoints-changed", "quorum-lost", "quorum-back"] {
          #expect(try machine.run("kubeadm", hook, about: "", isSelf: false).code == 0)
        }
        #expect(try machine.asked() == [])
      }
    }

    @Test("k3s: forms, joins with the token it received, leaves, forgets")
    func k3s() throws {
      try onMachine { machine in
        try machine.write("server token\n", "k3s/server/token")
        try machine.write("agent token\n", "k3s/server/node-token")
        #expect(try machine.run("k3s", "formed", about: "n2", isSelf: true).code == 0)
        let file = "k3s-etc/config.yaml.d/50-muster.yaml"
        #expect(machine.text(file) == "node-name: \"n2\"\ncluster-init: true\n")
        #expect(machine.text("data/bundle/control-plane/token") == "server token\n")
        #expect(machine.text("data/bundle/worker/token") == "agent token\n")
        #expect(try machine.asked() == ["systemctl enable --now k3s"])

        #expect(try machine.run("k3s", "joined", about: "n2", isSelf: true).code == 1)
        try machine.write("given\n", "data/received/token")
        try machine.write("own", "k3s/server/db/etcd")
        let outcome = try machine.run("k3s", "joined", about: "n2", isSelf: true)
        // The one that plays k3s makes no new tokens to be given on.
        #expect(outcome.err.contains("server/token"), "\(outcome)")
        let line = "server: \"https://10.0.0.1:6443\"\n"
        let token = "token-file: \"\(machine.path("data/received/token"))\"\n"
        #expect(machine.text(file) == "node-name: \"n2\"\n" + line + token)
        #expect(machine.text("k3s/server.left/db/etcd") == "own")
        #expect(try machine.asked() == ["systemctl stop k3s", "systemctl enable --now k3s"])
        try machine.write("server token\n", "k3s/server/token")
        try machine.write("agent token\n", "k3s/server/node-token")
        #expect(try machine.run("k3s", "joined", about: "n2", isSelf: true).code == 0)
        #expect(try machine.asked() == ["systemctl enable --now k3s"])

        #expect(try machine.run("k3s", "left", about: "n2", isSelf: true).code == 0)
        #expect(!machine.exists(file) && !machine.exists("data/bundle"))
        #expect(
          try machine.asked() == [
            "systemctl disable --now k3s-agent", "systemctl disable --now k3s",
          ])
        _ = try machine.run("k3s", "removed", about: "n3", isSelf: false)
        #expect(try machine.asked() == ["k3s kubectl delete node n3 --ignore-not-found"])
        _ = try machine.run("k3s", "joined", about: "n2", isSelf: true, role: "worker")
        #expect(machine.text(file).contains("server: \"https://127.0.0.1:16443\"\n"))
        #expect(
          try machine.asked() == [
            "systemctl disable --now k3s", "systemctl enable --now k3s-agent",
          ])
      }
    }

    @Test("MicroK8s: gives its CA, joins a datastore with what it received, and has its own back")
    func microk8s() throws {
      try onMachine { machine in
        let certificates = ["ca.crt", "ca.key", "serviceaccount.key"]
        let backend = "snap/var/kubernetes/backend"
        for file in certificates { try machine.write("own \(file)", "snap/certs/\(file)") }
        for file in ["cluster.crt", "cluster.key"] {
          try machine.write("own \(file)", "\(backend)/\(file)")
        }
        #expect(try machine.run("microk8s", "formed", about: "n2", isSelf: true).code == 0)
        #expect(machine.text("data/bundle/control-plane/cluster.key") == "own cluster.key")
        #expect(!machine.exists("data/bundle/worker/ca.key"))
        let without = try machine.run("microk8s", "joined", about: "n2", isSelf: true)
        #expect(without.code == 1 && without.err.contains("no ca.crt"), "\(without)")
        #expect(try machine.asked() == [])

        for file in certificates + ["cluster.crt", "cluster.key"] {
          try machine.write("given \(file)", "data/received/\(file)")
        }
        let inside = ["SNAP": "/snap/microk8s/1"]
        for _ in 0..<2 {
          let outcome = try machine.run("microk8s", "joined", about: "n2", isSelf: true, inside)
          #expect(outcome.code == 0, "\(outcome)")
          #expect(
            try machine.asked() == [
              "snapctl stop microk8s.daemon-kubelite", "snapctl stop microk8s.daemon-k8s-dqlite",
              "snapctl start microk8s.daemon-k8s-dqlite", "snapctl start microk8s.daemon-kubelite",
            ])
          #expect(machine.text("snap/certs/ca.key") == "given ca.key")
          #expect(
            machine.text("\(backend)/init.yaml")
              == "Address: 10.0.0.2:19001\nCluster:\n  - 10.0.0.1:19001\n")
          #expect(machine.text("\(backend).backup/cluster.key") == "own cluster.key")
        }
        #expect(try machine.run("microk8s", "left", about: "n2", isSelf: true).code == 0)
        #expect(try machine.asked().first == "snap stop microk8s.daemon-kubelite")
        #expect(machine.text("\(backend)/cluster.key") == "own cluster.key")
        #expect(!machine.exists("\(backend).backup"))

        for file in ["kubelet.config", "proxy.config"] {
          try machine.write("given", "data/received/\(file)")
        }
        #expect(
          try machine.run("microk8s", "joined", about: "n2", isSelf: true, role: "worker").code == 0
        )
        #expect(machine.exists("snap/var/lock/no-k8s-dqlite"))
        #expect(machine.text("snap/credentials/kubelet.config") == "given")
        _ = try machine.asked()
        _ = try machine.run("microk8s", "removed", about: "n3", isSelf: false)
        #expect(
          try machine.asked().first?.hasSuffix("delete node n3 --ignore-not-found") == true)
      }
    }
  }
}
