// Real agents that are hurt at random while clients work, for as long as one likes; then everything
// must be as promised: each acknowledged event is in the log once, all replicas tell one history,
// workers have the right list, and the cluster is as available as its nodes allow.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Torment")
  struct TormentTests {
    /// Minutes of it, by the environment; one round of a few seconds where it says nothing.
    private static let minutes =
      ProcessInfo.processInfo.environment["TORMENT_MINUTES"].flatMap { Double($0) } ?? 0.2
    private static let seed =
      ProcessInfo.processInfo.environment["TORMENT_SEED"].flatMap { UInt64($0) } ?? 1

    @Test(
      "Whatever happens to nodes, what was acknowledged is there once, and all agree in the end")
    func torment() async throws {
      try await onStage { stage in
        let network = Namespaces()
        defer { network?.end() }
        let torment = Torment(stage, network, seed: Self.seed)
        try await torment.begin()
        let end = ContinuousClock.now + .seconds(Self.minutes * 60)
        repeat {
          for _ in 0..<6 { try await torment.hurt() }
          try await torment.heal()
          try await torment.judge()
        } while ContinuousClock.now < end
        print(torment.summary)
      }
    }
  }
}

/// One cluster under torment. What it does follows from its seed, what comes of it does not.
private final class Torment {
  /// What a node is meant to be.
  private enum Place { case server, worker, outside }

  private let stage: Stage
  private let network: Namespaces?
  private var random: Seeded
  private var places: [(node: Node, number: Int, place: Place)] = []
  private var stopped: Set<String> = []
  private var cut: Set<Int> = []
  /// Reasons of forced commands and tokens that were acknowledged.
  private var tokens: [String] = []
  private var counts: [String: Int] = [:]
  private var rounds = 0

  init(_ stage: Stage, _ network: Namespaces?, seed: UInt64) {
    self.stage = stage
    self.network = network
    random = Seeded(state: seed)
  }

  var summary: String {
    "torment: \(rounds) rounds, \(tokens.count) acknowledged, "
      + counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
  }

  private func one<Element>(of elements: [Element]) -> Element? {
    elements.isEmpty ? nil : elements[Int(random.next() % UInt64(elements.count))]
  }

  private func nodes(_ place: Place) -> [Node] {
    places.filter { $0.place == place }.map(\.node)
  }

  /// Nodes whose agents run and are not paused or cut off.
  private func well(_ place: Place) -> [Node] {
    places.filter {
      $0.place == place && !stopped.contains($0.node.name) && !cut.contains($0.number)
    }
    .map(\.node)
  }

  private func set(_ node: Node, _ place: Place) {
    for position in places.indices where places[position].node === node {
      places[position].place = place
    }
  }

  // MARK: The cluster

  func begin() async throws {
    for number in 1...7 {
      let node = stage.node("n\(number)", try network?.add(number))
      try await node.start()
      places.append((node, number, number == 1 ? .server : .outside))
    }
    let first = places[0].node
    for position in 1...5 {
      try await first.admit(places[position].node, worker: position > 3)
      places[position].place = position > 3 ? .worker : .server
    }
    try await heal()
  }

  /// Everybody runs and reaches everybody, and the cluster comes to rest.
  func heal() async throws {
    for number in cut { network?.mend(number) }
    cut = []
    for place in places {
      guard let agent = place.node.agent else { continue }
      _ = kill(agent.id, SIGCONT)
      if stopped.contains(place.node.name) || !agent.process.isRunning { try place.node.launch() }
    }
    stopped = []
    let servers = nodes(.server)
    let wanted = servers.count >= 3 ? 3 : 1
    let members = Set((servers + nodes(.worker)).map(\.name))
    try await eventually("the cluster is whole again", within: .seconds(120)) {
      for node in servers {
        guard let status = try await look(at: node), status.pending == nil,
          status.masters.count == wanted, status.highAvailability == (wanted == 3),
          members.allSatisfy({ name in
            status.nodes.contains { $0.name == name && $0.status == "Ready" }
          }),
          status.nodes.allSatisfy({ members.contains($0.name) || $0.state == "left" })
        else { return false }
      }
      return true
    }
  }

  /// What it says, if it says anything: it may just be starting.
  private func look(at node: Node) async throws -> StatusAnswer? {
    let told = try await node.run("status", "-o", "json")
    return told.code == 0
      ? try JSONDecoder().decode(StatusAnswer.self, from: Data(told.out.utf8)) : nil
  }

  /// A connection string, if there is a leader to issue one.
  private func invitation(of node: Node) async throws -> String? {
    let told = try await node.run("add-node", "--format", "short")
    return told.out.split(whereSeparator: \.isWhitespace).dropFirst(2).first.map(String.init)
  }

  // MARK: What hurts

  func hurt() async throws {
    // Of three voters one may be lost; more would only stop everything.
    let mayLose = stopped.isEmpty && cut.isEmpty
    let kinds: [(String, () async throws -> Void)] = [
      ("kills", killOne), ("terminations", terminate), ("pauses", pause), ("cuts", cutOff),
      ("joins", joinOne), ("leaves", leaveOne), ("removals", removeOne), ("rebuilds", rebuild),
      ("role changes", changeRole), ("maintenances", maintain), ("returns", comeBack),
    ]
    guard let (name, action) = one(of: mayLose ? kinds : Array(kinds[4...])) else { return }
    counts[name, default: 0] += 1
    let work = try begin(Int(random.next() % 4) + 1)
    try await action()
    try await finish(work)
  }

  /// A client issues invitations anywhere; what is acknowledged is remembered.
  private func begin(_ count: Int) throws -> [(token: String, process: Program.Running)] {
    var work: [(token: String, process: Program.Running)] = []
    for _ in 0..<count {
      guard let node = one(of: well(.server)) else { break }
      let token = random.hex32
      let process = try node.begin(
        "add-node", "--token", token, "--format", "token", "--timeout", "10s")
      work.append((token, process))
    }
    return work
  }

  private func finish(_ work: [(token: String, process: Program.Running)]) async throws {
    for (token, process) in work where try await process.ended().code == 0 {
      tokens.append(token)
    }
  }

  private func killOne() async throws {
    guard let node = one(of: well(.server) + well(.worker)) else { return }
    node.kill()
    stopped.insert(node.name)
  }

  private func terminate() async throws {
    guard let node = one(of: well(.server) + well(.worker)) else { return }
    #expect(try await node.stop() == 0, "\(node.name) did not end well: \(node.log.suffix(500))")
    stopped.insert(node.name)
  }

  private func pause() async throws {
    guard let node = one(of: well(.server)), let agent = node.agent else { return }
    _ = kill(agent.id, SIGSTOP)
    stopped.insert(node.name)
    try await finish(try begin(2))
    _ = kill(agent.id, SIGCONT)
    stopped.remove(node.name)
  }

  private func cutOff() async throws {
    guard let network, let place = one(of: places.filter({ $0.place == .server })) else { return }
    network.cut(place.number)
    cut.insert(place.number)
  }

  private func comeBack() async throws {
    for number in cut { network?.mend(number) }
    cut = []
    for node in stage.nodes where stopped.contains(node.name) { try await node.start() }
    stopped = []
  }

  private func joinOne() async throws {
    guard let node = one(of: well(.outside)), let host = one(of: well(.server)),
      let string = try await invitation(of: host)
    else { return }
    let isWorker = nodes(.server).count > 4 || random.next() % 2 == 0
    let join = try await node.run(
      ["join", string, "--timeout", "30s"] + (isWorker ? ["--worker"] : []))
    if join.code == 0 { return set(node, isWorker ? .worker : .server) }
    // It may be a member already, and goes on by itself: whoever asks again is told.
    try await comeBack()
    let again = try await node.run(
      ["join", string, "--timeout", "60s"] + (isWorker ? ["--worker"] : []))
    #expect(again.code == 0, "\(node.name) could not join: \(join)\(again)")
    set(node, isWorker ? .worker : .server)
  }

  private func leaveOne() async throws {
    let servers = well(.server)
    guard let node = one(of: nodes(.server).count > 3 ? servers : well(.worker)) else { return }
    let leave = try await node.run(["leave", "--timeout", "30s"])
    if leave.code == 0 { return set(node, .outside) }
    if leave.code == 3 { return }
    try await comeBack()
    let again = try await node.run(["leave", "--timeout", "60s"])
    // It may be through in the meantime, and is a cluster of its own.
    #expect(again.code == 0 || again.code == 1, "\(node.name) could not leave: \(leave)\(again)")
    set(node, .outside)
  }

  private func removeOne() async throws {
    guard nodes(.server).count > 3, let node = one(of: well(.server)),
      let other = one(of: well(.server).filter { $0 !== node })
    else { return }
    node.kill()
    let remove = try await other.run([
      "remove-node", node.name, "--force", "--reason", "torment", "--timeout", "30s",
    ])
    if remove.code != 0 {
      try await node.start()
      if remove.code == 3 { return }
      try await comeBack()
      let again = try await other.run([
        "remove-node", node.name, "--force", "--reason", "torment", "--timeout", "60s",
      ])
      #expect([0, 6].contains(again.code), "\(node.name) stays: \(remove)\(again)")
    } else {
      try node.launch()
    }
    try await eventually("\(node.name) is told that it was removed") {
      try await node.run("leave").code == 0
    }
    set(node, .outside)
  }

  /// The disk of a worker is lost, and its machine comes back under its name.
  private func rebuild() async throws {
    guard let node = one(of: well(.worker)), let host = one(of: well(.server)) else { return }
    guard try await look(at: host) != nil,
      try await node.run(["leave", "--timeout", "30s"]).code == 0
    else { return }
    set(node, .outside)
    node.kill()
    try FileManager.default.removeItem(atPath: node.data)
    try await node.start()
    guard let string = try await invitation(of: host) else { return }
    let arguments = ["join", string, "--worker", "--replace", node.name, "--timeout", "30s"]
    var join = try await node.run(arguments)
    if join.code != 0 {
      try await comeBack()
      join = try await node.run(arguments)
    }
    #expect(join.code == 0, "\(node.name) could not come again: \(join)")
    set(node, .worker)
  }

  /// A worker becomes a control-plane node, or one of those a worker.
  private func changeRole() async throws {
    let demotes = nodes(.server).count > 3
    guard let node = one(of: well(demotes ? .server : .worker)),
      let host = one(of: well(.server).filter { $0 !== node })
    else { return }
    let words = ["role", node.name, demotes ? "worker" : "control-plane", "--timeout"]
    var change = try await host.run(words + ["30s"])
    if change.code == 3 { return }
    if change.code != 0 {
      try await comeBack()
      change = try await host.run(words + ["60s"])
    }
    #expect(change.code == 0, "\(node.name) keeps its role: \(change)")
    set(node, demotes ? .worker : .server)
  }

  private func maintain() async throws {
    guard let node = one(of: nodes(.server)), let host = one(of: well(.server)) else { return }
    _ = try await host.run(["maintenance", "enter", node.name, "--for", "3s"])
  }

  // MARK: What must be so afterwards

  func judge() async throws {
    rounds += 1
    let servers = nodes(.server)
    let first = try #require(servers.first)
    let verified = try await first.run("verify", "--cluster")
    #expect(verified.code == 0, "\(verified)")
    for node in servers {
      let replayed = try await node.run("replay")
      #expect(replayed.code == 0, "\(node.name): \(replayed)")
    }
    let events = try await first.succeed("events", "-o", "json", "--type", "token.issued")
    for token in tokens {
      let digest = try await sha256(token)
      let count = events.components(separatedBy: digest).count - 1
      #expect(count == 1, "the acknowledged invitation \(digest) is there \(count) times")
    }
    let told = try await first.succeed("provider").split(separator: "\n")
    let wanted = told.drop { $0.hasPrefix("#") }.map { $0 + "\n" }.joined()
    for worker in nodes(.worker) {
      let file = URL(fileURLWithPath: worker.data + "/args/traefik/provider.yaml")
      do {
        try await eventually("\(worker.name) has the right list") {
          try String(contentsOf: file, encoding: .utf8) == wanted
        }
      } catch {
        let found = (try? String(contentsOf: file, encoding: .utf8)) ?? "nothing"
        Issue.record(
          "\(error): it has\n\(found)\nand not\n\(wanted)\(try await worker.run("status"))")
        throw error
      }
    }
  }

  private var digests: [String: String] = [:]

  private func sha256(_ text: String) async throws -> String {
    if let known = digests[text] { return known }
    let file = stage.folder.appendingPathComponent("token")
    try Data(text.utf8).write(to: file)
    let out = try await Tool("sha256sum", [file.path], stage.folder).ended().out
    let digest = String(out.prefix(64))
    digests[text] = digest
    return digest
  }
}

extension Seeded {
  fileprivate var hex32: String {
    mutating get {
      (0..<2).map { _ in
        let text = String(next(), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
      }.joined()
    }
  }
}
