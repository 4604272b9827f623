// Whether what clients saw can be explained by one thing after another.
//
// The search of Wing and Gong with the memory of Lowe: an operation may come next if no other one
// was answered before it was begun; a set of operations done and the state they led to are tried
// only once. It knows nothing of what is checked: the model does.

/// What one client asked and was told.
package struct ClientOperation<Action: Sendable, Answer: Sendable>: Sendable {
  package var action: Action
  /// Nil if the client was never told: it may have happened at any time since, or never.
  package var answer: Answer?
  /// When it was asked, in any unit.
  package var begun: UInt64
  /// When it was answered, in the same unit; counts only with an answer.
  package var ended: UInt64

  package init(_ action: Action, _ answer: Answer?, from begun: UInt64, to ended: UInt64 = .max) {
    self.action = action
    self.answer = answer
    self.begun = begun
    self.ended = answer == nil ? .max : ended
  }
}

/// How a thing behaves that is used by one client at a time.
package protocol SequentialModel: Sendable {
  associatedtype State: Hashable
  associatedtype Action: Sendable
  associatedtype Answer: Sendable

  /// Before anything happened.
  var initial: State { get }
  /// The state after that action with that answer; nil if it cannot be answered so in that state.
  /// - Parameter answer: Nil for any.
  func step(_ state: State, _ action: Action, _ answer: Answer?) -> State?
}

/// Judges histories against a model.
package struct LinearizabilityChecker<Model: SequentialModel> {
  package enum Verdict: Sendable, Equatable {
    case linearizable
    case notLinearizable
    /// There were more ways to try than allowed.
    case undecided
  }
  package typealias Operation = ClientOperation<Model.Action, Model.Answer>

  private struct Position: Hashable {
    var done: [UInt64]
    var state: Model.State
  }

  private let model: Model
  private let limit: Int

  /// - Parameter limit: So many positions are looked at before it gives up.
  package init(_ model: Model, limit: Int = 1_000_000) {
    self.model = model
    self.limit = limit
  }

  /// - Parameter history: In any order.
  package func judge(_ history: [Operation]) -> Verdict {
    let operations = history.sorted { ($0.begun, $0.ended) < ($1.begun, $1.ended) }
    let start = Position(
      done: Array(repeating: 0, count: operations.count / 64 + 1), state: model.initial)
    var seen: Set<Position> = [start]
    var open = [start]
    while let position = open.popLast() {
      func isDone(_ place: Int) -> Bool { position.done[place / 64] >> (place % 64) & 1 == 1 }
      // Whoever was begun after the first of the others was answered must wait for that one.
      var end = UInt64.max
      var isComplete = true
      for place in operations.indices where !isDone(place) && operations[place].answer != nil {
        isComplete = false
        end = min(end, operations[place].ended)
      }
      if isComplete { return .linearizable }
      for place in operations.indices.reversed()
      where operations[place].begun <= end && !isDone(place) {
        let operation = operations[place]
        guard let state = model.step(position.state, operation.action, operation.answer) else {
          continue
        }
        var next = Position(done: position.done, state: state)
        next.done[place / 64] |= 1 << (place % 64)
        if seen.insert(next).inserted { open.append(next) }
      }
      if seen.count > limit { return .undecided }
    }
    return .notLinearizable
  }
}
