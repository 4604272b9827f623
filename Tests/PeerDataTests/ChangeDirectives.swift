import Raft

/// The directives about configuration changes: `simple`, `enter-joint` and `leave-joint`.
///
/// The last index of the log, where probing of new members begins, is the number of directives so
/// far.
struct ChangeDirectives {
  private var changer = Changer(Configuration(), lastIndex: 0)
  private var count: Index = 0

  mutating func run(_ directive: Directive, _ input: [String]) -> String {
    defer { count += 1 }
    let changer = changer.at(lastIndex: count)
    do {
      let steps = try Self.steps(input)
      self.changer =
        switch directive.command {
        case "simple": try changer.simple(steps)
        case "enter-joint":
          try changer.enteringJoint(
            autoLeave: directive.values("autoleave") == ["true"], steps)
        default: try changer.leavingJoint()
        }
    } catch {
      if case .invalidChange(let reason) = error as? Refused { return reason + "\n" }
      return "\(error)\n"
    }
    return Renderer.configuration(self.changer.configuration) + "\n"
      + self.changer.members.map { Renderer.progress($0) + "\n" }.joined()
  }

  /// Steps of a change, as `v1 l2 r3 u4`.
  static func steps(_ lines: [String]) throws -> [ConfigurationChange.Step] {
    try lines.joined(separator: " ").split(separator: " ").map { word in
      guard let id = PeerID(word.dropFirst()) else { throw Malformed(text: String(word)) }
      switch word.first {
      case "v": return .addVoter(id)
      case "l": return .addLearner(id)
      case "r": return .remove(id)
      case "u": return .update(id)
      default: throw Malformed(text: String(word))
      }
    }
  }

  struct Malformed: Error, CustomStringConvertible {
    var text: String
    var description: String { "unknown input: \(text)" }
  }
}
