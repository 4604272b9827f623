// Live opinion beside what is recorded: what one node sees at a moment. Views take it as an option
// and mark what came from it; without it they say what the log alone supports, for any index.

package import Membership

/// What the answering node sees of the cluster.
package struct Outlook: Hashable, Sendable {
  /// One node as it is seen.
  package struct Sighting: Hashable, Sendable {
    /// A recent sign of life.
    package var ready: Bool
    /// Milliseconds since the last contact; nil if there was none.
    package var contactAge: Int64?
    /// The last log index it is known to have; nil if unknown (workers).
    package var index: UInt64?
    package init(ready: Bool, contactAge: Int64? = nil, index: UInt64? = nil) {
      self.ready = ready
      self.contactAge = contactAge
      self.index = index
    }
  }

  /// The node that looks.
  package var by: NodeID
  /// Whether it heard from a leader within two election timeouts (a leader: from a quorum).
  package var hasLeader: Bool
  /// Voters, of both halves of a joint configuration, that are within reach, caught up, and whose
  /// disk takes writes.
  package var healthyVoters: Set<NodeID>
  /// Other nodes as they are seen from there; itself may be left out.
  package var sightings: [NodeID: Sighting]
  /// Control-plane nodes that nobody had time to look at: the leader is new, or has told nothing
  /// here yet. They are neither well nor silent.
  package var unseen: Set<NodeID>
  /// Why control-plane nodes, itself among them, do not count, where more than silence is known.
  package var hindrances: [NodeID: Hindrance]
  /// How old these observations are, in milliseconds.
  package var age: Int64

  package init(
    by: NodeID, hasLeader: Bool, healthyVoters: Set<NodeID>, sightings: [NodeID: Sighting] = [:],
    unseen: Set<NodeID> = [], hindrances: [NodeID: Hindrance] = [:], age: Int64 = 0
  ) {
    self.by = by
    self.hasLeader = hasLeader
    self.healthyVoters = healthyVoters
    self.sightings = sightings
    self.unseen = unseen
    self.hindrances = hindrances
    self.age = age
  }
}
