// What kind of world a seed makes.

import Raft

/// What may go wrong, apart from what the network does to single frames.
package enum FaultKind: Int, Sendable, CaseIterable {
  case crash, loss, pause, partition, oneWay, reset, diskFull, slowDisk, clockJump
  /// A disk is as it was at an earlier start, or empty.
  case putBack
  /// A damaged log was cut off before the damage, by who repaired it.
  case damage

  /// For people.
  package var name: String {
    switch self {
    case .crash: "crash"
    case .loss: "machine lost"
    case .pause: "pause"
    case .partition: "partition"
    case .oneWay: "one-way cut"
    case .reset: "link reset"
    case .diskFull: "disk full"
    case .slowDisk: "slow disk"
    case .clockJump: "clock jump"
    case .putBack: "disk put back"
    case .damage: "damaged log"
    }
  }
}

/// All that a world depends on.
package struct WorldOptions: Sendable {
  /// Decides everything that the other options leave open.
  package var seed: UInt64
  /// How long faults and requests go on, in simulated nanoseconds.
  package var duration: UInt64 = 30 * second
  /// How many control-plane nodes the workload aims at.
  package var controlPlane = 5
  /// How many workers it aims at.
  package var workers = 3
  /// Mean time between requests; 0 for none.
  package var requestInterval: UInt64 = 0
  /// How many requests clients make at most, before the world heals.
  package var requestLimit = Int.max
  /// Mean time between faults of that kind, by `FaultKind.rawValue`; 0 for none.
  package var faultIntervals = [UInt64](repeating: 0, count: FaultKind.allCases.count)
  /// Out of a million writes to a disk, so many end in a crash in their course or just after.
  package var crashAtWriteRate: UInt64 = 0
  /// For how long a crashed node is down.
  package var downtime: ClosedRange<UInt64> = 5 * millisecond...8 * second
  /// Frames lost, out of a million.
  package var lossRate: UInt64 = 0
  /// Frames sent twice, out of a million.
  package var duplicationRate: UInt64 = 0
  /// Frames with flipped bits, out of a million.
  package var corruptionRate: UInt64 = 0
  /// Frames that come up to three seconds late, out of a million.
  package var stragglerRate: UInt64 = 1_000
  /// Frames of one link may overtake one another, and outlive a crash of either end.
  package var reorders = false
  /// The least and the greatest usual delay of a frame.
  package var delay: ClosedRange<UInt64> = 100 * microsecond...2 * millisecond
  /// The least and the greatest usual time of a disk transaction.
  package var diskTime: ClosedRange<UInt64> = 200 * microsecond...3 * millisecond
  /// Frames go through the codec.
  package var encodes = true
  /// Clocks run up to so many millionths fast or slow.
  package var drift: UInt64 = 0
  /// `Replica.Options.damping`; signs of life count three times as long.
  package var damping: UInt64 = 10 * second
  /// `Machine.Options.maxMessageBytes`: small ones make acknowledgements cover a part of the log.
  package var maxMessageBytes = 1 << 20
  /// `Machine.Options.maxInflightMessages`.
  package var maxInflightMessages = 64
  /// `Machine.Options.maxUncommittedBytes`.
  package var maxUncommittedBytes = 16 << 20
  /// Out of a hundred requests, so many are reads.
  package var readShare: UInt64 = 20
  /// Somebody takes nodes into maintenance, changes the policy, promotes and demotes nodes.
  package var upkeep = false
  /// Voters ask for votes soon after a start, as in production; else after the election timeout.
  package var electsAtStart = true
  /// Out of a hundred worlds that heal, so many heal without a minority of the voters at first.
  package var absenceShare: UInt64 = 0
  /// The laws judge reads; false leaves that to whoever judges what clients saw.
  package var judgesReads = true
  /// A bug to be found.
  package var plant: Plant?
  /// A bug inside the replicas.
  package var tamper: Tamper?

  /// A world in which nothing happens by itself: for scripted scenarios.
  package init(seed: UInt64) { self.seed = seed }

  /// Mean time between faults of that kind; 0 for none.
  package func interval(_ kind: FaultKind) -> UInt64 { faultIntervals[kind.rawValue] }

  /// A world drawn from its seed: which faults there are, how often, and how large everything is.
  /// - Parameter duration: simulated nanoseconds of faults and requests; a liveness phase follows.
  package static func drawn(seed: UInt64, duration: UInt64) -> WorldOptions {
    var dice = SplitMix64(seed: seed, stream: 1)
    var options = WorldOptions(seed: seed)
    options.duration = duration
    options.controlPlane = 1 + dice.below(7)
    options.workers = dice.below(5)
    options.requestInterval = dice.spread(20 * millisecond, second)
    options.encodes = dice.chance(percent: 70)
    options.drift = dice.chance(percent: 50) ? dice.below(20_000) : 0
    options.damping = dice.chance(percent: 70) ? 2 * second : 10 * second
    if dice.chance(percent: 40) { options.crashAtWriteRate = dice.spread(200, 30_000) }
    if dice.chance(percent: 40) { options.lossRate = dice.spread(100, 100_000) }
    if dice.chance(percent: 30) { options.duplicationRate = dice.spread(100, 100_000) }
    options.reorders = dice.chance(percent: 40)
    if dice.chance(percent: 30) {
      let low = dice.spread(100 * microsecond, 20 * millisecond)
      options.delay = low...(low + dice.spread(millisecond, 100 * millisecond))
    }
    if dice.chance(percent: 30) {
      options.diskTime = millisecond...(millisecond + dice.spread(millisecond, 50 * millisecond))
    }
    for kind in FaultKind.allCases where dice.chance(percent: 55) {
      options.faultIntervals[kind.rawValue] = dice.spread(second, 20 * second)
    }
    if dice.chance(percent: 40) { options.maxMessageBytes = Int(dice.spread(1, 10_000)) }
    if dice.chance(percent: 40) { options.maxInflightMessages = 1 + dice.below(8) }
    if dice.chance(percent: 30) { options.maxUncommittedBytes = Int(dice.spread(256, 100_000)) }
    options.absenceShare = 30
    options.upkeep = true
    if dice.chance(percent: 30) { options.corruptionRate = dice.spread(10, 10_000) }
    if dice.chance(percent: 20) { options.stragglerRate = dice.spread(1_000, 100_000) }
    return options
  }

  /// A world in which leaders never last: crashes at writes, short absences, slow frames.
  package static func violent(seed: UInt64, duration: UInt64) -> WorldOptions {
    var options = drawn(seed: seed, duration: duration)
    options.controlPlane = 5
    options.requestInterval = 60 * millisecond
    options.crashAtWriteRate = 30_000
    options.downtime = millisecond...500 * millisecond
    options.delay = millisecond...40 * millisecond
    options.reorders = true
    options.faultIntervals[FaultKind.partition.rawValue] = 2 * second
    options.faultIntervals[FaultKind.reset.rawValue] = 500 * millisecond
    return options
  }

  /// Whether the network may not deliver what was sent.
  var altersFrames: Bool { plant == .altersEntries || plant == .turnsVotes }
}
