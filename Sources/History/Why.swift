// Why things are as they are: the shortest chain of events, each cited by its index, in plain
// words. Nothing is concluded that the log does not say.

package import Membership
import Projections

/// The answer to a question of why.
package struct Why: Sendable {
  package struct Step: Sendable {
    package var line: EventLine
    /// What this event has to do with the question.
    package var words: String
  }
  /// How things are.
  package var verdict: [String]
  /// What led there, in order.
  package var chain: [Step]

  /// What can be asked for besides nodes and invitations.
  static let topics = ["ha", "leader", "endpoints", "policy"]

  /// Whether a question is about high availability.
  package static func isAboutAvailability(_ question: String) -> Bool {
    ["ha", "high-availability"].contains(question.lowercased())
  }

  /// - Parameters:
  ///   - question: one of `topics`, a node's name or id, departed ones included, or the id of an
  ///     invitation.
  ///   - now: whether an invitation has expired is told as of then; nil for the time of the index.
  ///   - option: what another command needs to read the same, with a space before it.
  package init(
    _ history: History, _ question: String, at index: UInt64, now: Timestamp? = nil,
    option: String = ""
  ) throws {
    let state = try history.state(at: index)
    guard state.isFormed else {
      throw Unanswerable("there is no cluster at index \(index) yet")
    }
    switch question.lowercased() {
    case _ where Why.isAboutAvailability(question):
      self = try Why.availability(history, state, option)
    case "leader": self = try Why.leader(history, state)
    case "endpoints", "provider": self = try Why.endpoints(history, state)
    case "policy": self = try Why.policy(history, state)
    default:
      if !state.knows(question), let token = TokenID(question).flatMap({ state.token($0) }) {
        self = try Why.invitation(history, token, now: now ?? state.lastTime)
      } else {
        self = try Why.node(history, state, question)
      }
    }
  }

  init(verdict: [String], chain: [Step]) {
    self.verdict = verdict
    self.chain = chain
  }

  /// The events in order, each once, with what led to them as far back as the log says.
  static func chain(
    _ history: History, _ ends: [(index: UInt64?, words: String)], depth: Int = 4
  ) throws -> [Step] {
    var known: [UInt64: Step] = [:]
    var told: [UInt64: [String]] = [:]
    for end in ends {
      guard let index = end.index, index >= history.first else { continue }
      if told[index]?.contains(end.words) != true { told[index, default: []].append(end.words) }
    }
    var open = told.sorted { $0.key < $1.key }.map { index, words in
      (index: index, words: words.joined(separator: "; "), depth: 0)
    }
    while let next = open.popLast() {
      if known[next.index] != nil { continue }
      let hash = try history.source.hash(at: next.index)
      try history.walk(from: next.index, through: next.index) { recorded, before, after in
        known[next.index] = Step(
          line: EventLine(recorded, hash: hash, before: before, after: after), words: next.words)
        guard next.depth < depth else { return false }
        for cause in try history.causes(of: recorded, before: before)
        where known[cause.index] == nil && told[cause.index] == nil {
          open.append((cause.index, cause.words, next.depth + 1))
        }
        return false
      }
    }
    return known.sorted { $0.key < $1.key }.map(\.value)
  }

  // MARK: Words

  package var text: String {
    verdict.map { $0 + "\n" }.joined() + "because\n"
      + chain.map { step in
        let envelope = step.line.recorded.envelope
        let effect = step.line.effect ?? envelope.event.type.name
        return EventText.printable(
          "  \(step.line.recorded.index)  \(envelope.time.rfc3339)  "
            + "\(step.line.actorName ?? envelope.actor)  "
            + "\(envelope.event.type.name): \(effect) (\(step.words))"
            + (envelope.reason.isEmpty ? "" : " (reason: \(envelope.reason))")) + "\n"
      }.joined()
  }

  package var document: Document {
    .answer([
      ("verdict", .texts(verdict)),
      (
        "chain",
        .list(
          chain.map { .object([("event", $0.line.document), ("words", .text($0.words))]) })
      ),
    ])
  }
}
