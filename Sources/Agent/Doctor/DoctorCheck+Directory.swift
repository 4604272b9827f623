// The data dir: that it is there, ours, closed to others, and in one piece.

import Membership

extension DoctorCheck {
  static let directory = [
    DoctorCheck("DIR-01", "data dir") { facts in
      guard let folder = facts.file("") else {
        if facts.obstacle != nil {
          return .fail(
            "no right to see \(facts.directory): this runs as uid \(facts.user)",
            fix: "sudo \(facts.muster("doctor"))")
        }
        return .fail(
          "\(facts.directory) does not exist: no node was started here, or --data-dir is not right;"
            + " an agent begins a cluster of its own there",
          fix: facts.muster("agent"))
      }
      guard folder.kind == .folder else {
        return .fail("\(facts.directory) is not a folder", fix: "ls -ld \(facts.directory)")
      }
      if facts.isHung {
        return .fail(
          "\(facts.directory) does not answer: its disk, or the server that it is on, hangs",
          fix: "dmesg | tail; df \(facts.directory)")
      }
      if facts.obstacle != nil {
        return .warn(
          "\(facts.directory) belongs to uid \(folder.owner), this runs as uid \(facts.user) and"
            + " cannot look inside", fix: "sudo \(facts.muster("doctor"))")
      }
      return .pass("\(facts.directory), of uid \(folder.owner)")
    },
    DoctorCheck("DIR-02", "mode of the data dir") { facts in
      guard let folder = facts.file(""), folder.kind == .folder else {
        return .skip("there is no data dir")
      }
      return folder.mode & 0o077 == 0
        ? .pass("\(octal(folder.mode))")
        : .fail(
          "others may enter it (\(octal(folder.mode))), and the agent refuses to start on it",
          fix: "chmod 700 \(facts.directory)")
    },
    DoctorCheck("DIR-03", "modes of secrets") { facts in
      if let unseen = facts.unseen { return unseen }
      let open = facts.files.filter {
        isSecret($0.path) && $0.kind == .file && $0.mode & 0o077 != 0
      }
      guard let first = open.first else {
        return .pass("\(facts.files.count { isSecret($0.path) }) of them, none open to others")
      }
      let names = open.map { "\($0.path) (\(octal($0.mode)))" }.joined(separator: ", ")
      let paths = open.map { "\(facts.directory)/\($0.path)" }.joined(separator: " ")
      return .fail(
        "\(names) \(first == open.last ? "is a secret" : "are secrets") that others may read",
        fix: "chmod 600 \(paths)")
    },
    DoctorCheck("DIR-04", "owner of the files") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let owner = facts.file("")?.owner else { return .skip("there is no data dir") }
      // Hooks and bundles may be root's (HOOK-01, HOOK-03).
      let foreign = facts.files.filter { file in
        file.owner != owner
          && !["hooks.d", "bundle"].contains { file.path == $0 || file.path.hasPrefix("\($0)/") }
      }
      guard let first = foreign.first else { return .pass("all of uid \(owner)") }
      return .fail(
        "\(first.path) belongs to uid \(first.owner), the data dir to uid \(owner)",
        fix: "chown -R \(owner) \(facts.directory)")
    },
    DoctorCheck("DIR-05", "length of the socket's path") { facts in
      let length = facts.directory.utf8.count + "/agent.sock".utf8.count
      return length < 108
        ? .pass("\(length) bytes of 107")
        : .fail(
          "\(length) bytes, at most 107 are possible; use a shorter --data-dir",
          fix: "muster agent --data-dir \(DataDirectory.standard)")
    },
    DoctorCheck("DIR-06", "admin socket") { facts in
      if let unseen = facts.unseen { return unseen }
      switch (facts.file("agent.sock") != nil, facts.socketAnswers, facts.agent) {
      case (true, true?, _): return .pass("it answers")
      case (true, _, nil):
        return .warn(
          "agent.sock is left from an agent that was killed; the next one replaces it",
          fix: facts.start)
      case (true, _, let agent?):
        return .fail(
          "the agent (pid \(agent.pid)) does not answer there; it may be stopped or stuck",
          fix: "kill -CONT \(agent.pid); cat /proc/\(agent.pid)/status")
      case (false, _, nil): return .pass("no agent, no socket")
      case (false, _, let agent?):
        return .fail(
          "the agent (pid \(agent.pid)) runs, and its socket is gone", fix: facts.restart)
      }
    },
    DoctorCheck("DIR-07", "changes under way") { facts in
      if let unseen = facts.unseen { return unseen }
      let marks = [
        ("join.json", "a join"), ("leave.json", "a leave"),
        ("identity.new", "a change of identity"), ("log.new", "the making of a log"),
      ].filter { facts.file($0.0) != nil }
      guard !marks.isEmpty else { return .pass("none") }
      let names = marks.map { "\($0.1) (\($0.0))" }.joined(separator: ", ")
      guard facts.agent != nil else {
        return .warn("\(names) did not finish; the agent finishes it", fix: facts.start)
      }
      let again = facts.file("leave.json") != nil ? facts.muster("leave") : facts.muster("status")
      return .warn(
        "\(names) did not finish; the same command again finishes it, and so does the agent when"
          + " it starts next"
          + (facts.file("leave.json") != nil ? "; muster leave --cancel takes it back" : ""),
        fix: again)
    },
    DoctorCheck("DIR-08", "what was set aside") { facts in
      if let unseen = facts.unseen { return unseen }
      let damaged = facts.files.filter { $0.path.hasPrefix("log.") && $0.path != "log.new" }
        .filter { !$0.path.contains("/") }
      let size = "\(facts.archiveBytes >> 20) MiB"
      if let first = damaged.first {
        return .warn(
          "\(first.path) is kept since a repair; archive/ has \(size)",
          fix: "du -sh \(facts.directory)/\(first.path) \(facts.directory)/archive")
      }
      return facts.archiveBytes > 1 << 30
        ? .warn(
          "archive/ has \(size) of logs of clusters that this node left",
          fix: "du -sh \(facts.directory)/archive/*")
        : .pass("archive/ has \(size)")
    },
    DoctorCheck("DIR-09", "agent.yaml") { facts in
      if let unseen = facts.unseen { return unseen }
      if let problem = facts.optionsProblem {
        return .fail(problem, fix: "${EDITOR:-vi} \(facts.directory)/agent.yaml")
      }
      return .pass(facts.file("agent.yaml") == nil ? "not used" : "it can be read")
    },
  ]

  static func octal(_ mode: UInt32) -> String {
    let text = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - text.count)) + text
  }

  /// Files that hold keys, or what identifies this node.
  private static func isSecret(_ path: String) -> Bool {
    ["kubeconfig", "join.json", "leave.json"].contains(path) || path.hasSuffix(".key")
      || ["identity/", "log/", "received/", "bundle/"].contains { path.hasPrefix($0) }
  }

  static let identity = [
    DoctorCheck("ID-01", "node.json") { facts in
      if let unseen = facts.unseen { return unseen }
      switch facts.node {
      case .value(let node): return .pass("\(node.name), \(node.role.rawValue)")
      case .absent:
        return .warn("there is none: no node was started here yet", fix: facts.muster("agent"))
      case .broken(let why), .hidden(let why):
        return .fail(why, fix: "cat \(facts.directory)/identity/node.json")
      }
    },
    DoctorCheck("ID-02", "key and certificate") { facts in
      if let unseen = facts.unseen { return unseen }
      switch facts.identity {
      case .value: return .pass("they fit each other")
      case .absent where facts.node.value == nil: return .skip("there is no node yet")
      case .absent:
        return .fail(
          "node.key or node.crt is missing: this node cannot prove who it is; restore them, or"
            + " remove the node from its cluster and start with an empty data dir",
          fix: "ls -l \(facts.directory)/identity")
      case .broken(let why), .hidden(let why):
        return .fail(why, fix: "ls -l \(facts.directory)/identity")
      }
    },
    DoctorCheck("ID-03", "key as the log has it") { facts in
      if let stateless = facts.stateless { return stateless }
      guard let key = facts.identity.value else { return .skip("there is no usable key") }
      guard let member = facts.member else {
        return .warn(
          "the log does not hold this node as a member (yet)", fix: facts.muster("status"))
      }
      return member.record.key == key
        ? .pass("the log holds this node by this key")
        : .fail(
          "the log holds \(member.name) by another key, so no other node accepts it; restore"
            + " identity/, or remove the node and join it anew",
          fix: "ls -l \(facts.directory)/identity")
    },
    DoctorCheck("ID-04", "membership") { facts in
      if let unseen = facts.unseen { return unseen }
      if let gone = facts.node.value?.departed {
        return .fail(
          "this node is no member any more: \(gone.how) at index \(gone.index) by \(gone.actor)",
          fix: facts.muster("leave"))
      }
      if let told = facts.peers.compactMap(\.departure).first {
        return .fail("this node is no member any more: \(told)", fix: facts.muster("leave --local"))
      }
      if let node = facts.node.value?.nodeID, let gone = facts.state?.departed(node) {
        return .fail(
          "this node is no member any more, since index \(gone.index), by \(gone.actor)",
          fix: facts.muster("leave"))
      }
      return facts.node.value == nil
        ? .skip("there is no node yet") : .pass("nobody says otherwise")
    },
  ]
}

extension DoctorFacts.File: Equatable {
  static func == (one: Self, other: Self) -> Bool { one.path == other.path }
}
