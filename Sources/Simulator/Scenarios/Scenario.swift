// A story that was told of some system once, told of this one.
//
// The seeds find what nobody thought of; scenarios hold what somebody has lived through. Each is a
// fixed schedule: this message is late, that disk is slow, then the power fails. It says in one
// sentence what happens and what must hold, and breaks a law where it does not. They are numbered
// as in the project's list of known consensus bugs; the ten that begin with 3.8 are those that no
// recorded file of a peer catches.

/// One scripted scenario.
package struct Scenario: Sendable {
  /// Its number and a short name, as `01-figure-8`.
  package let name: String
  /// What happens and what must hold, in one sentence; or why it can not happen here.
  package let what: String
  private let act: @Sendable (@escaping (String) -> Void) throws -> Void

  /// - Parameter act: Plays it, tells every line of the trace, and throws what was broken.
  init(
    _ name: String, _ what: String,
    act: @escaping @Sendable (@escaping (String) -> Void) throws -> Void
  ) {
    self.name = name
    self.what = what
    self.act = act
  }

  /// Told with consensus cores alone, message by message.
  static func onStage(
    _ name: String, _ what: String, _ act: @escaping @Sendable (Stage) throws -> Void
  ) -> Scenario {
    Scenario(name, what) { tell in try act(Stage(tell)) }
  }

  /// Told with whole replicas, in a quiet world of so many control-plane nodes, which must come to
  /// rest afterwards.
  static func inWorld(
    _ name: String, _ what: String, size: Int = 3, seed: UInt64 = 1,
    _ act: @escaping @Sendable (Script) throws -> Void
  ) -> Scenario {
    Scenario(name, what) { tell in
      let script = try Script(seed: seed, size: size, trace: tell)
      try act(script)
      try script.end()
    }
  }

  /// Plays it from the beginning.
  /// - Parameter trace: Told everything that happens, line by line.
  /// - Returns: the law that was broken; nil if everything held.
  package func play(trace: @escaping (String) -> Void = { _ in }) -> Violation? {
    do {
      try act(trace)
      return nil
    } catch let violation as Violation {
      return violation
    } catch {
      return Violation(.asTold, "\(error)")
    }
  }

  /// All of them, in the order of the list.
  package static let all: [Scenario] =
    ElectionScenarios.all + CommitScenarios.all + MembershipScenarios.all + StorageScenarios.all
    + DiskScenarios.all + ClientScenarios.all + UnrecordedScenarios.all
}
