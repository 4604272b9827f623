// How much more may fail. One function of who votes and who is well answers every such question:
// high availability, what may leave, which loss would stop the cluster. In a joint configuration
// both halves must hold (dissertation §4.3), so the weaker half decides.

/// What a set of voters can bear while only some of them are healthy.
package struct Tolerance: Hashable, Sendable {
  /// One majority that must hold: the voters, or in a joint configuration the old or the new ones.
  package struct Half: Hashable, Sendable {
    /// Sorted.
    package var voters: [NodeID]
    /// Those of them that count now; sorted.
    package var healthy: [NodeID]
    package var needed: Int { voters.count / 2 + 1 }
    /// How many healthy ones there are beyond what is needed; negative without a quorum.
    package var margin: Int { healthy.count - needed }
  }

  /// The new (or only) voters first; two in a joint configuration.
  package var halves: [Half]

  /// `outgoing` is empty unless the configuration is joint; order and duplicates do not matter.
  package init(voters: [NodeID], outgoing: [NodeID] = [], healthy: Set<NodeID>) {
    halves = ([voters] + (outgoing.isEmpty ? [] : [outgoing])).map {
      let members = Set($0).sorted()
      return Half(voters: members, healthy: members.filter(healthy.contains))
    }
  }

  /// Whether a majority of each half is healthy now.
  package var quorumHeld: Bool { halves.allSatisfy { $0.margin >= 0 } }

  /// The greatest number of healthy voters such that any so many may fail and the quorum still
  /// holds; 0 also where there is none.
  package var canLose: Int { max(0, halves.map(\.margin).min() ?? 0) }

  /// Negative: so many more voters are needed for a quorum. Else `canLose`.
  package var signed: Int { halves.map(\.margin).min() ?? 0 }

  /// All healthy voters of both halves; sorted.
  package var healthy: [NodeID] { Set(halves.flatMap(\.healthy)).sorted() }

  /// The healthy voters whose loss alone would cost the quorum that is held; sorted.
  package var critical: [NodeID] {
    guard quorumHeld else { return [] }
    return Set(halves.filter { $0.margin == 0 }.flatMap(\.healthy)).sorted()
  }

  /// The failure domains whose loss as a whole would cost the quorum that is held; sorted.
  package func fatalDomains(_ domain: (NodeID) -> String) -> [String] {
    guard quorumHeld else { return [] }
    var fatal: Set<String> = []
    for half in halves {
      var count: [String: Int] = [:]
      for id in half.healthy { count[domain(id), default: 0] += 1 }
      fatal.formUnion(count.filter { $0.value > half.margin }.keys)
    }
    return fatal.sorted()
  }

  /// Whether any one failure domain may fail as a whole and the quorum still holds.
  package func failureDomainSafe(_ domain: (NodeID) -> String) -> Bool {
    quorumHeld && fatalDomains(domain).isEmpty
  }
}
