/// An invitation that admits a limited number of guests.
package struct InvitationModel: SequentialModel {
  package struct State: Hashable {
    var isIssued = false
    /// Nil for any number.
    var left: Int?
    var isRevoked = false
  }
  package enum Action: Sendable {
    /// For so many guests; 0 for any number.
    case issue(uses: Int)
    case redeem
    case revoke
  }
  package enum Answer: Sendable {
    case done
    case unknown, usedUp, revoked
  }

  package init() {}

  package var initial: State { State() }

  package func step(_ state: State, _ action: Action, _ answer: Answer?) -> State? {
    var next = state
    switch (action, answer ?? .done) {
    case (.issue(let uses), .done):
      guard !state.isIssued else { return answer == nil ? state : nil }
      next.isIssued = true
      next.left = uses == 0 ? nil : uses
    case (.redeem, .done):
      guard state.isIssued, !state.isRevoked, state.left != 0 else {
        return answer == nil ? state : nil
      }
      next.left = state.left.map { $0 - 1 }
    case (.revoke, .done):
      guard state.isIssued else { return answer == nil ? state : nil }
      next.isRevoked = true
    case (_, .unknown): return state.isIssued ? nil : state
    case (_, .usedUp): return state.isIssued && state.left == 0 ? state : nil
    case (_, .revoked): return state.isRevoked ? state : nil
    }
    return next
  }
}

/// A set of numbered members that come, go, and are listed.
package struct MembersModel: SequentialModel {
  package enum Action: Sendable {
    case add(Int)
    case remove(Int)
    case list
  }
  package enum Answer: Sendable {
    case done
    case members(Set<Int>)
  }

  package let initial: Set<Int>

  package init(_ initial: Set<Int> = []) { self.initial = initial }

  package func step(_ state: Set<Int>, _ action: Action, _ answer: Answer?) -> Set<Int>? {
    switch (action, answer) {
    case (.add(let member), .done), (.add(let member), nil): state.union([member])
    case (.remove(let member), .done), (.remove(let member), nil): state.subtracting([member])
    case (.list, .members(let members)): members == state ? state : nil
    case (.list, nil): state
    default: nil
    }
  }
}
