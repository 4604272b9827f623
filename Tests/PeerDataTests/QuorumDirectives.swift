import Raft

/// The directives about quorums: `committed` and `vote`, over one set of voters or two.
struct QuorumDirectives {
  private var voters: [PeerID]
  private var joint: [PeerID]?
  private var inputs: [String]

  init(_ directive: Directive) {
    let ids = { (key: String) in directive.values(key).compactMap { PeerID($0) } }
    voters = ids("cfg")
    joint = directive.values("cfgj").isEmpty ? nil : ids("cfgj")
    inputs = directive.values(directive.command == "vote" ? "votes" : "idx")
  }

  /// What each voter said, in the order in which the voters are first named.
  private func assigned<Value>(_ parse: (String) -> Value?) -> [PeerID: Value] {
    var result: [PeerID: Value] = [:]
    var named: [PeerID] = []
    for id in voters + (joint ?? []) where !named.contains(id) { named.append(id) }
    for (id, input) in zip(named, inputs) { result[id] = parse(input) }
    return result
  }

  func committed() -> String {
    let acked = assigned { Index($0) }
    let lookup = { (id: PeerID) in acked[id] }
    let incoming = Set(voters).sorted()
    guard let joint else {
      let index = Quorum.committed(incoming, acked: lookup)
      let alone = Quorum.committed(Configuration(voters: incoming), acked: lookup)
      let twice = Quorum.committed(
        Configuration(voters: incoming, outgoing: incoming), acked: lookup)
      return Renderer.chart(incoming, acked: acked) + Renderer.index(index) + "\n"
        + (alone == index ? "" : "\(Renderer.index(alone)) <-- via zero-joint quorum\n")
        + (twice == index ? "" : "\(Renderer.index(twice)) <-- via self-joint quorum\n")
    }
    let outgoing = Set(joint).sorted()
    let all = Set(incoming + outgoing).sorted()
    let index = Quorum.committed(
      Configuration(voters: incoming, outgoing: outgoing), acked: lookup)
    let mirrored = Quorum.committed(
      Configuration(voters: outgoing, outgoing: incoming), acked: lookup)
    return Renderer.chart(all, acked: acked)
      + (mirrored == index ? "" : "\(Renderer.index(mirrored)) <-- via symmetry\n")
      + Renderer.index(index) + "\n"
  }

  func vote() -> String {
    let votes = assigned { $0 == "y" ? true : $0 == "n" ? false : nil }
    let lookup = { (id: PeerID) in votes[id] }
    let incoming = Set(voters).sorted()
    let outgoing = Set(joint ?? []).sorted()
    let result = Quorum.vote(
      Configuration(voters: incoming, outgoing: outgoing), votes: lookup)
    let mirrored = Quorum.vote(
      Configuration(voters: outgoing, outgoing: incoming), votes: lookup)
    return (mirrored == result ? "" : "\(Renderer.vote(mirrored)) <-- via symmetry\n")
      + Renderer.vote(result) + "\n"
  }
}
