// A hand inside the machines, for bugs that must be seen to be found.

package import Replication

/// What is done to every replica of a world behind its back. The core has no switches for bugs:
/// whoever plants one reaches in from outside, between two steps, where a step with the bug in it
/// would have left things otherwise.
package struct Tamper: Sendable {
  /// Changes what a replica is started with.
  package var options: (@Sendable (inout Replica.Options) -> Void)?
  /// What is taken in the place of an input; nil for nothing.
  package var before: (@Sendable (ReplicaInput, inout Replica) -> ReplicaInput?)?
  /// Changes a replica that has taken an input.
  package var after: (@Sendable (ReplicaInput, inout Replica) -> Void)?
  /// Changes what a replica wants done.
  package var effects: (@Sendable (inout ReplicaEffects, inout Replica) -> Void)?

  package init() {}

  func step(_ replica: inout Replica, _ input: ReplicaInput, at clock: Clock) {
    guard let input = before.map({ $0(input, &replica) }) ?? input else { return }
    replica.step(input, at: clock)
    after?(input, &replica)
  }
}
