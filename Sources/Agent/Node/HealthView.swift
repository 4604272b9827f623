// What `muster health` is judged by, gathered on a control-plane node: its own sight, and the word
// of every other control-plane node.

import History
import Hummingbird
import Membership
package import Projections
import Yams

extension Routes {
  /// Whether everything is as it should be; a worker has a control-plane node say.
  func health(_ query: Query) async throws -> Response {
    if case .worker(let worker) = daemon.mode {
      let told = try await worker.ask("/v1/health")
      guard worker.isPinned else { return Answer.text(told) }
      var answer = try JSON.decode(HealthAnswer.self, Array(told.utf8))
      answer.note("\(daemon.settings.name)'s own list is pinned", at: "workers")
      return try Answer.json(answer)
    }
    let node = try daemon.controlPlane("tell its health")
    let answers = try await replicas()
    let sight = await Sight.take(node, patience: .milliseconds(1000))
    return try Answer.json(HealthAnswer(Health(HealthFacts(sight, answers))))
  }
}

extension HealthFacts {
  init(_ sight: Sight, _ answers: ReplicasAnswer) {
    var newest: [NodeID: ReplicaAnswer.Poll] = [:]
    for (worker, poll) in answers.replicas.flatMap({ Array($0.answer?.polls ?? [:]) }) {
      guard let id = NodeID(worker), poll.age < newest[id]?.age ?? .max else { continue }
      newest[id] = poll
    }
    self.init(
      cluster: sight.state, outlook: sight.outlook, isConfirmed: sight.basis == .confirmed,
      replicas: answers.replicas.map { Replica($0) }, comparedAt: answers.index,
      odd: answers.comparison.odd, endpointIndexes: newest.mapValues(\.index))
  }
}

extension HealthFacts.Replica {
  init(_ word: ReplicasAnswer.Replica) {
    self.init(name: word.name, applied: word.answer?.applied, problem: word.problem)
    clockAhead = word.clockAhead
    clockError = word.clockError ?? 0
    fill = word.answer?.fill
    diskFree = word.answer?.diskFree
  }
}

/// `GET /v1/health`, and what `muster health -o json` prints.
package struct HealthAnswer: Codable, Sendable {
  package struct Assertion: Codable, Sendable {
    package var id: String
    package var waitingFor: String
    package var holds: Bool
    package var detail: String
  }
  package var schemaVersion = 1
  package var healthy: Bool
  package var assertions: [Assertion]

  package init(_ health: Health) {
    healthy = health.isGood
    assertions = health.assertions.map {
      Assertion(id: $0.id, waitingFor: $0.what, holds: $0.holds, detail: $0.detail)
    }
  }

  /// Adds to what was found, without judging.
  mutating func note(_ words: String, at id: String) {
    for place in assertions.indices where assertions[place].id == id {
      assertions[place].detail += "; \(words)"
    }
  }

  /// What is said where no agent answers.
  package static func noAgent(_ reason: String) -> HealthAnswer {
    HealthAnswer(Health(noAgent: reason))
  }

  /// As it was judged.
  package var lines: [(holds: Bool, text: String, what: String)] {
    assertions.map { assertion in
      let judged = Health.Assertion(
        id: assertion.id, what: assertion.waitingFor, holds: assertion.holds,
        detail: assertion.detail)
      return (judged.holds, judged.line, judged.what)
    }
  }

  /// In `json` or `yaml`.
  /// - Throws: `Failure` if it cannot be written so.
  package func rendered(yaml: Bool) throws -> String {
    yaml
      ? try YAMLEncoder().encode(self)
      : String(decoding: try JSON.encode(self, pretty: true), as: UTF8.self) + "\n"
  }
}
