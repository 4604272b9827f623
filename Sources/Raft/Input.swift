// What may happen to a node.

/// Everything that can happen to the core. Time comes with it (`Machine.step`).
package enum Input: Sendable {
  /// Time passed. To be given at the latest at `Machine.deadline`.
  case tick
  /// A message arrived. The host has checked who sent it.
  case receive(Message)
  /// Append these (index and term are filled in by the core). All or none; the answer is
  /// `Machine.step`'s result.
  case propose([Entry])
  /// An append job became durable, in the order in which the jobs were handed out.
  case appended(AppendAck)
  /// The host has applied every entry up to and including this index.
  case applied(Index)
  /// Start an election now if that is allowed.
  case campaign
  /// Hand leadership over to that member.
  case transferLeader(to: PeerID)
  /// The link to the leader closed: be ready to elect another (etcd's MsgForgetLeader).
  case forgetLeader
  /// A message to that member was lost.
  case unreachable(PeerID)
  /// A snapshot sent to that member arrived (or not).
  case snapshotReported(PeerID, failed: Bool)
  /// Confirm leadership for a linearizable read (dissertation §6.4). `context` comes back in
  /// `Effects.reads`; unique per node and start.
  case readIndex(context: UInt64)
  /// True: this node may have forgotten what it promised (an old or damaged disk), so nothing that
  /// it says may count for a majority until it is sure again; it follows, and it is sent the log.
  case abstain(Bool)
}

/// Why a proposal or another request was not taken. Nothing was appended.
package enum Refused: Error, Equatable, Sendable {
  /// This node does not lead; the leader, where one is known, is `leader`.
  case notLeader(leader: PeerID?)
  /// This node is not a voter of the configuration any more, or not yet.
  case notMember
  /// Leadership is being handed over to that member.
  case transferring(to: PeerID)
  /// The uncommitted tail is at its limit (bytes).
  case tailFull(limit: Int)
  /// A configuration change is not yet applied (at that index).
  case changeInFlight(Index)
  /// Only an empty change is possible in a joint configuration.
  case alreadyJoint
  /// There is no joint configuration to leave.
  case notJoint
  /// The change itself is invalid (no voter would remain, for example).
  case invalidChange(String)
  /// A message from a node that is not in the configuration, of a kind that needs one.
  case unknownPeer(PeerID)
  /// A message that no member can have sent.
  case impossible(Message.Flaw)
}
