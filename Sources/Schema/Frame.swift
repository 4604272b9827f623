// One frame on the link between two control-plane nodes. Links carry bytes and know nothing of
// this; who sent a frame is known from the link's key, never from what the frame says.

package import Membership
package import Raft
import SwiftProtobuf

/// What control-plane nodes say to one another once they have greeted (`Hello`).
package enum Frame: Equatable, Sendable {
  case raft(Raft.Message)
  /// A request for the leader. `id` is the sender's own, for the answer.
  case forward(id: UInt64, request: Request)
  /// What became of the request forwarded under `id`.
  case answer(id: UInt64, outcome: Outcome)
  /// What the sender sees of nodes, workers included, and what time it has.
  case observed([Sighting], clock: Timestamp)
  /// What the sender remembers of the receiver.
  case recollection(Recollection)
}

/// What a node sees of another: live opinion, never recorded.
package struct Sighting: Hashable, Sendable {
  package var node: NodeID
  /// Milliseconds since its last sign of life.
  package var silence: UInt64
  /// How many log entries it lacks; nil if unknown.
  package var lag: UInt64?
  /// Within reach, caught up, and its disk takes writes.
  package var isHealthy: Bool
  /// How far its clock is ahead of the median of all clocks, in milliseconds; nil if unknown.
  package var skew: Int64?
  /// Why it is not healthy; nil if it is, and where nothing but silence or lag is known.
  package var hindrance: Hindrance?

  package init(
    node: NodeID, silence: UInt64, lag: UInt64? = nil, isHealthy: Bool = false, skew: Int64? = nil,
    hindrance: Hindrance? = nil
  ) {
    self.node = node
    self.silence = silence
    self.lag = lag
    self.isHealthy = isHealthy
    self.skew = skew
    self.hindrance = hindrance
  }
}

/// What a leader answers to a forwarded request.
package enum Outcome: Hashable, Sendable {
  /// Its events are the entries from `first` to `last`.
  case committed(first: UInt64, last: UInt64)
  /// The rules say no; nothing was appended.
  case refused(code: String, exitCode: Int, message: String)
  /// It may or may not have happened: to be sent again under the same command id.
  case unknown(reason: String)
  /// Nothing was appended here; `leader` leads, if it is known.
  case notLeader(leader: UInt64?)
}

extension Frame {
  /// The same bytes for equal values.
  package func encoded() -> [UInt8] {
    var wire = WireFrame()
    switch self {
    case .raft(let message): wire.body = .raft(WireRaftMessage(message))
    case .forward(let id, let request):
      wire.body = .forward(
        .with {
          $0.id = id
          $0.request = WireRequest(request)
        })
    case .answer(let id, let outcome):
      wire.body = .answer(
        .with {
          $0.id = id
          $0.outcome = WireAnswer.OneOf_Outcome(outcome)
        })
    case .observed(let sightings, let clock):
      wire.body = .observed(
        .with {
          $0.sightings = sightings.map(WireObserved.Sighting.init)
          $0.clock = clock.milliseconds
        })
    case .recollection(let recollection):
      wire.body = .recollection(WireRecollection(recollection))
    }
    return serialized(wire)
  }

  /// Reads one frame; requests are validated. Throws `Malformed`.
  package init(decoding bytes: [UInt8]) throws(Malformed) {
    let wire = try WireFrame(parsing: bytes)
    guard wire.group == 0 else {
      throw .invalid("Frame.group", why: "names the unknown group \(wire.group)")
    }
    switch try present(wire.body, "Frame.body") {
    case .raft(let message): self = .raft(try Raft.Message(message))
    case .forward(let forward):
      guard forward.hasRequest else { throw Malformed.missing("Forward.request") }
      self = .forward(id: forward.id, request: try Request(forward.request))
    case .answer(let answer):
      self = .answer(
        id: answer.id, outcome: try Outcome(try present(answer.outcome, "Answer.outcome")))
    case .observed(let observed):
      self = .observed(
        try observed.sightings.map { (wire) throws(Malformed) in
          Sighting(
            node: try nodeID(wire.node, "Observed.node"), silence: wire.silence,
            lag: wire.hasLag ? wire.lag : nil, isHealthy: wire.healthy,
            skew: wire.hasSkew ? wire.skew : nil,
            // One that this program does not know yet is none that it could tell.
            hindrance: UInt8(exactly: wire.hindrance.rawValue).flatMap(Hindrance.init))
        }, clock: Timestamp(milliseconds: observed.clock))
    case .recollection(let wire): self = .recollection(try Recollection(wire))
    }
  }
}

extension WireObserved.Sighting {
  init(_ value: Sighting) {
    self.init()
    node = value.node.rawValue
    silence = value.silence
    if let lag = value.lag { self.lag = lag }
    healthy = value.isHealthy
    if let skew = value.skew { self.skew = skew }
    hindrance = value.hindrance.flatMap { .init(rawValue: Int($0.rawValue)) } ?? .unspecified
  }
}

extension WireAnswer.OneOf_Outcome {
  init(_ outcome: Outcome) {
    switch outcome {
    case .committed(let first, let last):
      self = .committed(
        .with {
          $0.first = first
          $0.last = last
        })
    case .refused(let code, let exitCode, let message):
      self = .refused(
        .with {
          $0.code = code
          $0.exitCode = UInt32(exactly: exitCode) ?? 1
          $0.message = message
        })
    case .unknown(let reason): self = .unknown(.with { $0.reason = reason })
    case .notLeader(let leader): self = .notLeader(.with { $0.leader = leader ?? 0 })
    }
  }
}

extension Outcome {
  init(_ wire: WireAnswer.OneOf_Outcome) throws(Malformed) {
    switch wire {
    case .committed(let wire):
      guard wire.first > 0, wire.first <= wire.last else {
        throw .invalid("Answer.Committed", why: "goes from \(wire.first) to \(wire.last)")
      }
      self = .committed(first: wire.first, last: try bounded(wire.last, "Answer.Committed.last"))
    case .refused(let wire):
      guard !wire.code.isEmpty else { throw .missing("Answer.Refused.code") }
      // A process can exit with no more than a byte, and a refusal is no success.
      guard (1...255).contains(wire.exitCode) else {
        throw .invalid("Answer.Refused.exit_code", why: "is \(wire.exitCode)")
      }
      self = .refused(code: wire.code, exitCode: Int(wire.exitCode), message: wire.message)
    case .unknown(let wire): self = .unknown(reason: wire.reason)
    case .notLeader(let wire): self = .notLeader(leader: wire.leader == 0 ? nil : wire.leader)
    }
  }
}
