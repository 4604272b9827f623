// What can be taken out of a world, one by one, to see which of it a failure needs.

/// Something that makes a world harder than an ideal one.
package enum Feature: Sendable, Hashable, CaseIterable {
  /// Faults of one kind.
  case fault(FaultKind)
  /// Crashes in the course of writes.
  case crashAtWrite
  case frameLoss, duplication, reordering, corruption, stragglers, slowFrames, slowDisks
  case drift
  /// Frames go through the codec.
  case encoding
  /// Limits so small that they are often met.
  case smallMessages, smallWindow, smallTail
  /// A minority is missing when the world heals.
  case absence
  case upkeep

  package static let allCases: [Feature] =
    FaultKind.allCases.map { .fault($0) } + [
      .crashAtWrite, .frameLoss, .duplication, .reordering, .corruption, .stragglers, .slowFrames,
      .slowDisks, .drift, .encoding, .smallMessages, .smallWindow, .smallTail, .absence,
      .upkeep,
    ]

  /// For command lines.
  package var name: String {
    switch self {
    case .fault(let kind): kind.name.split(separator: " ").joined(separator: "-")
    case .crashAtWrite: "crash-at-write"
    case .frameLoss: "frame-loss"
    case .duplication: "duplication"
    case .reordering: "reordering"
    case .corruption: "corruption"
    case .stragglers: "stragglers"
    case .slowFrames: "slow-frames"
    case .slowDisks: "slow-disks"
    case .drift: "drift"
    case .encoding: "encoding"
    case .smallMessages: "small-messages"
    case .smallWindow: "small-window"
    case .smallTail: "small-tail"
    case .absence: "absence"
    case .upkeep: "upkeep"
    }
  }
}

extension WorldOptions {
  /// Whether a world of these options has that.
  package func has(_ feature: Feature) -> Bool {
    var without = self
    without.remove(feature)
    return without.features != features
  }

  /// Takes that out.
  package mutating func remove(_ feature: Feature) {
    let ideal = WorldOptions(seed: seed)
    switch feature {
    case .fault(let kind): faultIntervals[kind.rawValue] = 0
    case .crashAtWrite: crashAtWriteRate = 0
    case .frameLoss: lossRate = 0
    case .duplication: duplicationRate = 0
    case .reordering: reorders = false
    case .corruption: corruptionRate = 0
    case .stragglers: stragglerRate = 0
    case .slowFrames: delay = ideal.delay
    case .slowDisks: diskTime = ideal.diskTime
    case .drift: drift = 0
    case .encoding: encodes = false
    case .smallMessages: maxMessageBytes = ideal.maxMessageBytes
    case .smallWindow: maxInflightMessages = ideal.maxInflightMessages
    case .smallTail: maxUncommittedBytes = ideal.maxUncommittedBytes
    case .absence: absenceShare = 0
    case .upkeep: upkeep = false
    }
  }

  /// All that `remove` may change, as numbers.
  private var features: [UInt64] {
    faultIntervals + [
      crashAtWriteRate, lossRate, duplicationRate, reorders ? 1 : 0, delay.lowerBound,
      delay.upperBound, diskTime.lowerBound, diskTime.upperBound, drift, encodes ? 1 : 0,
      UInt64(maxMessageBytes), UInt64(maxInflightMessages), UInt64(maxUncommittedBytes),
      absenceShare, stragglerRate, corruptionRate, upkeep ? 1 : 0,
    ]
  }
}
