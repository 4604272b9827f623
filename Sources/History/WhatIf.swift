// What would happen if. The commands and losses are played on a copy of the state by the functions
// that the cluster itself obeys: `decide` says yes or refuses, `RolePolicy` moves roles,
// `Tolerance` says what is left to lose. Nothing is written.

package import Membership
import Projections

/// Something that may happen.
package enum Supposition: Hashable, Sendable {
  /// As an operator would: a node that is alive leaves.
  case remove(String)
  /// `remove-node` as it was typed, and on which node.
  case removeNode(String, forced: Bool, by: NodeID? = nil)
  case leave(String)
  case promote(String)
  case demote(String)
  case fail([String])
  /// They fail and come back.
  case reboot([String])
  case join(count: Int, role: NodeRole)
  case loseZone(String)

  /// Parses words like `remove n2`, `fail n1,n3`, `join 2 voters`, `lose-zone a`.
  package init(_ words: [String]) throws(Unanswerable) {
    let names = words.dropFirst().flatMap { $0.split(separator: ",").map(String.init) }
    switch (words.first, names.count) {
    case ("remove", 1), ("remove-node", 1): self = .remove(names[0])
    case ("leave", 1): self = .leave(names[0])
    case ("promote", 1): self = .promote(names[0])
    case ("demote", 1): self = .demote(names[0])
    case ("fail", 1...): self = .fail(names)
    case ("reboot", 1...): self = .reboot(names)
    case ("lose-zone", 1): self = .loseZone(names[0])
    case ("join", 1), ("join", 2):
      let count = names.count == 2 ? Int(names[0]) : 1
      let word = names[names.count - 1]
      let isWorker = ["worker", "workers"].contains(word)
      guard let count, (1...100).contains(count),
        isWorker
          || ["voter", "voters", "control-plane", "node", "nodes"].contains(word)
      else { throw Self.unknown }
      self = .join(count: count, role: isWorker ? .worker : .controlPlane)
    default: throw Self.unknown
    }
  }

  private static var unknown: Unanswerable {
    Unanswerable(
      "suppose one of: remove NODE, leave NODE, promote NODE, demote NODE, fail NODE,NODE, "
        + "reboot NODE, join 2 voters, join 3 workers, lose-zone DOMAIN")
  }
}

/// What a supposition would lead to.
package struct WhatIf: Sendable {
  /// The cluster at one moment of the story.
  package struct Scene: Sendable {
    package var isHighlyAvailable: Bool
    package var canLose: Int
    package var quorumHeld: Bool
    package var sentence: String
    package var voters: [String]
    package var standbys: [String]
    package var endpoints: [String]
  }
  package var supposed: String
  /// What it rests on: `as seen from n1`, `as recorded at index 7`.
  package var basis: String
  package var before: Scene
  /// While somebody is away who comes back.
  package var meanwhile: Scene?
  package var after: Scene
  /// What would be appended or happen, in words and in order.
  package var steps: [String]
  /// What a command would be told.
  package var refusals: [Refusal]
  package var leaderMoves: String?

  package var losesQuorum: Bool {
    (before.quorumHeld && !(after.quorumHeld && meanwhile?.quorumHeld != false))
      || refusals.contains { $0.isOfLoss }
  }
  /// As the table of exit codes has it: 3 too where there was no quorum to lose any more.
  package var exitCode: Int32 {
    losesQuorum || !after.quorumHeld ? 3 : refusals.last.map { Int32($0.exitCode) } ?? 0
  }

  /// - Parameters:
  ///   - unreachable: names of nodes that are out of reach now, beside those the log suspects.
  ///   - uncounted: names of voters that do not count now, within reach or not.
  ///   - alive: names of those that count as alive although they are out of reach.
  ///   - basis: what that rests on.
  package init(
    _ supposition: Supposition, on cluster: Cluster, unreachable: Set<String> = [],
    uncounted: Set<String> = [], alive: Set<String> = [], basis: String
  ) throws(Unanswerable) {
    var stage = RehearsalStage(
      cluster, unreachable: unreachable, uncounted: uncounted, alive: alive)
    before = stage.scene
    self.basis = basis
    supposed = supposition.words
    try Self.play(supposition, on: cluster, &stage, &meanwhile)
    stage.settle()
    after = stage.scene
    steps = stage.steps
    refusals = stage.refusals
    leaderMoves = stage.leaderMoves
  }

  private static func play(
    _ supposition: Supposition, on cluster: Cluster, _ stage: inout RehearsalStage,
    _ meanwhile: inout Scene?
  ) throws(Unanswerable) {
    switch supposition {
    case .remove(let name): stage.remove(try cluster.nodeNamed(name))
    case .removeNode(let name, let forced, let by):
      stage.remove(try cluster.nodeNamed(name), forced: forced, by: by)
    case .leave(let name): stage.depart(try cluster.nodeNamed(name).id)
    case .promote(let name): stage.promote(try cluster.nodeNamed(name))
    case .demote(let name): stage.demote(try cluster.nodeNamed(name))
    case .fail(let names):
      stage.lose(try cluster.nodesNamed(names))
    case .reboot(let names):
      let members = try cluster.nodesNamed(names)
      stage.lose(members)
      stage.settle()
      meanwhile = stage.scene
      stage.regain(members)
    case .loseZone(let zone):
      let members = cluster.nodes.filter { $0.isActive && $0.record.failureDomain == zone }
      guard !members.isEmpty else {
        let zones = Set(cluster.nodes.map(\.record.failureDomain)).sorted()
        throw Unanswerable(
          "no node is in the failure domain \(quoted(zone)); there are: "
            + zones.joined(separator: " "))
      }
      stage.lose(members)
    case .join(let count, let role): stage.join(count, role)
    }
  }

  package var text: String {
    func line(_ scene: Scene) -> String {
      "\(scene.isHighlyAvailable ? "yes" : "no") · \(scene.sentence)"
    }
    var text = "what if \(supposed)? (\(basis); nothing is changed)\n"
    text += "  high-availability now:   \(line(before))\n"
    if let meanwhile { text += "  high-availability during: \(line(meanwhile))\n" }
    text += "  high-availability after: \(line(after))\n"
    for refusal in refusals { text += "  REFUSED: \(refusal.message)\n" }
    if let leaderMoves { text += "  \(leaderMoves)\n" }
    for step in steps { text += "  - \(step)\n" }
    if before.endpoints != after.endpoints {
      text += "  provider.yaml: \(Self.list(before.endpoints)) → \(Self.list(after.endpoints))\n"
    } else {
      text += "  provider.yaml: unchanged\n"
    }
    if !before.quorumHeld {
      text += "  The quorum is lost already"
      text += after.quorumHeld ? ".\n" : ": nothing can be decided until enough voters are back.\n"
    } else if losesQuorum {
      let isBack = after.quorumHeld && meanwhile?.quorumHeld == false
      text += "  This would cost the quorum\(isBack ? " while it lasts" : " or the last copy").\n"
    }
    return text
  }

  private static func list(_ values: [String]) -> String {
    values.isEmpty ? "none" : values.joined(separator: " ")
  }

  package var document: Document {
    func scene(_ scene: Scene) -> Document {
      .object([
        ("highAvailability", .truth(scene.isHighlyAvailable)), ("canLose", .number(scene.canLose)),
        ("quorumHeld", .truth(scene.quorumHeld)), ("summary", .text(scene.sentence)),
        ("voters", .texts(scene.voters)), ("standbys", .texts(scene.standbys)),
        ("endpoints", .texts(scene.endpoints)),
      ])
    }
    return .answer([
      ("supposed", .text(supposed)), ("basis", .text(basis)), ("before", scene(before)),
      ("meanwhile", meanwhile.map(scene) ?? .null), ("after", scene(after)),
      ("steps", .texts(steps)), ("leader", .text(leaderMoves)),
      (
        "refusals",
        .list(
          refusals.map {
            .object([("code", .text($0.code)), ("message", .text($0.message))])
          })
      ),
      ("losesQuorum", .truth(losesQuorum)),
    ])
  }
}

extension Supposition {
  var words: String {
    switch self {
    case .remove(let name), .removeNode(let name, false, _): "\(name) is removed"
    case .removeNode(let name, true, _): "\(name) is removed by force"
    case .leave(let name): "\(name) leaves"
    case .promote(let name): "\(name) becomes a control-plane node"
    case .demote(let name): "\(name) becomes a worker"
    case .fail(let names):
      "\(Membership.words(names, "and")) \(names.count == 1 ? "fails" : "fail")"
    case .reboot(let names):
      "\(Membership.words(names, "and")) \(names.count == 1 ? "is" : "are") away and "
        + (names.count == 1 ? "comes back" : "come back")
    case .join(let count, let role): "\(counted(count, "\(role.name) node")) join"
    case .loseZone(let zone): "the failure domain \(zone) is lost"
    }
  }
}

extension Refusal {
  /// Whether what was asked for would cost the quorum or the last copy.
  fileprivate var isOfLoss: Bool {
    switch self {
    case .quorumLoss, .lastControlPlane, .noSuccessor: true
    default: false
    }
  }
}

extension Cluster {
  fileprivate func nodesNamed(_ names: [String]) throws(Unanswerable) -> [Member] {
    var members: [Member] = []
    for name in names { members.append(try nodeNamed(name)) }
    return members
  }

  fileprivate func nodeNamed(_ name: String) throws(Unanswerable) -> Member {
    if let member = node(matching: name) { return member }
    throw Unanswerable(
      "the cluster has no node \(quoted(name)); there are: "
        + some(nodes.map(\.name), near: name), exitCode: 6)
  }
}
