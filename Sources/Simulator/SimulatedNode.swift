// A machine with one agent on it.

package import Membership
import Raft
import Replication
import Schema

/// A control-plane node in the world: its disk and its clocks, and, while it is up, its replica and
/// what a host keeps for it. What a crash takes away is everything but the disk.
package final class SimulatedNode {
  /// Its place in `World.nodes`.
  package let index: Int
  /// What it says of itself when it joins.
  package let record: NodeRecord
  /// What outlives a crash.
  package let disk = SimulatedDisk()
  /// Nil while it is down.
  var running: Running?
  /// How many times it was started; what was meant for an earlier start is void.
  package internal(set) var boot = 0
  /// How its present start greets its peers.
  var greeting = Greeting(boot: 0, nonce: 0)
  /// Of the disk: raised at each start, and put back with it.
  var diskBoot = 0
  /// What the disk held at earlier starts.
  var images: [(boot: Int, image: SimulatedDisk.Image)] = []
  /// What the disk held before it was put back or damaged: it counted then.
  var lost: SimulatedDisk.Image?
  /// What whoever repaired the log told the node.
  var lostUpTo: UInt64?
  /// What is remembered of peers: stored, and to be stored with the next write.
  var memory: [Recollection] = []
  var unstoredMemory: [Recollection]?
  /// The starts of peers from which word came first what they remember. Looked up only.
  var opened: [Int: Int] = [:]
  /// It will never be started again.
  package internal(set) var isGone = false

  var clock: NodeClock
  var dice: SplitMix64
  var inbox: [ReplicaInput] = []
  var runDue = false
  var pausedUntil: UInt64 = 0
  var wakeDue = UInt64.max
  /// Calls that wait for an answer, with their deadlines here, in the order of asking.
  var calls: [(caller: Caller, deadline: UInt64)] = []

  // The disk's queue.
  var waiting: [AppendJob] = []
  var writing: [AppendJob] = []
  /// Reported as durable by a dishonest disk.
  var unsynced: [AppendJob] = []
  var diskFullUntil: UInt64 = 0
  var diskSlowUntil: UInt64 = 0
  var isStalled = false

  // What was seen of it, for the laws.
  var seen = Seen()
  /// Wakes in a row without time passing.
  var spins = 0

  /// A replica in its place: large, and never copied.
  final class Running {
    var replica: Replica

    init(_ replica: Replica) { self.replica = replica }

    var raft: Machine { _read { yield replica.raft } }
  }

  struct Seen {
    var term: Term = 0
    var commit: Index = 0
    var applied: Index = 0
    var leads = false
    var configuration = Configuration()
    /// The matches of all members, by id, as a leader knows them.
    var matches: [(id: PeerID, match: Index)] = []
    /// For how long it has led and taken turns, by its own clock, in nanoseconds.
    var ledFor: UInt64 = 0
    var lastTurn: UInt64 = 0
    /// When it last heard from others, in `ledFor`. Looked up, never iterated.
    var heard: [NodeID: UInt64] = [:]
    /// Indexes of the configuration changes in its log.
    var changes: [Index] = []
  }

  /// Of its record.
  package var id: NodeID { record.id }
  /// Of its record.
  package var name: String { record.name }
  /// Whether its process runs.
  package var isUp: Bool { running != nil }
  /// Whether it takes itself for the leader.
  package var isLeader: Bool { running?.replica.isLeader ?? false }
  /// The end of its log, durable or not; 0 while it is down.
  package var lastIndex: UInt64 { running?.raft.lastIndex ?? 0 }
  /// What its replica has applied; the state before everything while it is down.
  package var cluster: Cluster { running?.replica.cluster ?? Cluster() }

  /// Whether that entry is on its disk, or was before an accident that the others can bear.
  func holds(_ index: Index, of term: Term) -> Bool {
    disk.syncedTerm(at: index) == term || lost?.term(at: index) == term
  }

  init(index: Int, record: NodeRecord, clock: NodeClock, dice: SplitMix64) {
    self.index = index
    self.record = record
    self.clock = clock
    self.dice = dice
  }
}
