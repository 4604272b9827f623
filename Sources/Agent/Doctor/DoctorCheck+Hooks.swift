// What runs beside muster: its hooks, and what joiners are given for it.

import Membership

extension DoctorCheck {
  static let hooks = [
    DoctorCheck("HOOK-01", "hooks.d") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let hooks = facts.hooks else { return .pass("not used") }
      let folder = "\(facts.directory)/hooks.d"
      if let refusal = hooks.refusal ?? hooks.programs.compactMap(\.refusal).first {
        return .fail("\(refusal); until then no hook after it runs", fix: "ls -l \(folder)")
      }
      if let idle = hooks.idle.first {
        return .warn(
          "\(hooks.idle.joined(separator: ", ")) cannot be executed, so it is passed over",
          fix: "chmod +x \(folder)/\(shellQuoted(idle))")
      }
      return .pass("\(counted(hooks.programs.count, "hook")), which only the agent may change")
    },
    DoctorCheck("HOOK-02", "hooks that failed") { facts in
      if let unseen = facts.unseen { return unseen }
      switch facts.hookLedger {
      case .broken(let why), .hidden(let why):
        return .fail(why, fix: "cat \(facts.directory)/hooks.json")
      case .absent: return .pass("no hooks ran here")
      case .value(let ledger):
        guard let failure = ledger.failures.first else {
          return .pass(ledger.handled.map { "handled up to index \($0)" } ?? "all have run")
        }
        let sentences = ledger.failures.map { $0.sentence(now: facts.now) }
        return .fail(
          sentences.joined(separator: "; "),
          fix: "ls -l \(facts.directory)/hooks.d/\(shellQuoted(failure.program))")
      }
    },
    DoctorCheck("HOOK-03", "bundle") { facts in
      if let unseen = facts.unseen { return unseen }
      if let problem = facts.bundleProblems.first {
        return .fail(problem, fix: "ls -lR \(facts.directory)/bundle")
      }
      let files = facts.files.count { $0.path.hasPrefix("bundle/") && $0.kind == .file }
      return .pass(
        files == 0 ? "joiners are given no files" : "\(counted(files, "file")) for joiners")
    },
  ]
}
