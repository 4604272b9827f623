// What the doctor found: for each check an id that never changes, a finding with values, and where
// something is to be done, a line that does it.

import FoundationEssentials
import Yams

/// What `muster doctor` says.
package struct Diagnosis: Sendable {
  package enum Level: String, Codable, Sendable, CaseIterable {
    case pass, warn, fail
    /// It could not be looked at, or does not concern this node.
    case skip
  }

  /// What one check found.
  package struct Finding: Codable, Sendable, Equatable {
    package var id: String
    package var level: Level
    /// What is looked at, in a few words.
    package var title: String
    package var finding: String
    /// A command to paste; nil where nothing is to be done.
    package var fix: String?
  }

  package var findings: [Finding]
  /// Nothing fails; warnings do not count.
  package var isGood: Bool { !findings.contains { $0.level == .fail } }

  package init(_ findings: [Finding]) { self.findings = findings }

  private func count(_ level: Level) -> Int { findings.count { $0.level == level } }

  /// Everything that is not in order with its fix, then the rest, then a line that counts.
  package var text: String {
    let width = findings.map(\.id.count).max() ?? 0
    var text = ""
    for finding in findings {
      let gap = String(repeating: " ", count: width - finding.id.count)
      let words = "\(finding.title): \(finding.finding)"
      text += "\(finding.level.rawValue)  \(finding.id)\(gap)  \(words)\n"
      if let fix = finding.fix { text += "      fix: \(fix)\n" }
    }
    let counts = Level.allCases.map { "\(count($0)) \($0.rawValue)" }.joined(separator: ", ")
    return text + "\n\(findings.count == 1 ? "1 check" : "\(findings.count) checks"): \(counts)\n"
  }

  private struct Report: Encodable {
    var schemaVersion = 1
    var good: Bool
    var findings: [Finding]
  }

  /// In `json` or `yaml`.
  /// - Throws: `Failure` if it cannot be written so.
  package func rendered(yaml: Bool) throws -> String {
    let report = Report(good: isGood, findings: findings)
    return yaml
      ? try YAMLEncoder().encode(report)
      : String(decoding: try JSON.encode(report, pretty: true), as: UTF8.self) + "\n"
  }
}

/// One thing to look at: a pure judgement of facts.
struct DoctorCheck: Sendable {
  /// A judgement without its check's name.
  struct Verdict: Equatable {
    var level: Diagnosis.Level
    var finding: String
    var fix: String?

    static func pass(_ finding: String) -> Verdict { Verdict(level: .pass, finding: finding) }
    static func skip(_ why: String) -> Verdict { Verdict(level: .skip, finding: why) }
    static func warn(_ finding: String, fix: String) -> Verdict {
      Verdict(level: .warn, finding: finding, fix: fix)
    }
    static func fail(_ finding: String, fix: String) -> Verdict {
      Verdict(level: .fail, finding: finding, fix: fix)
    }
  }

  /// Stable; never given to another check.
  let id: String
  let title: String
  let judge: @Sendable (DoctorFacts) -> Verdict

  init(_ id: String, _ title: String, _ judge: @escaping @Sendable (DoctorFacts) -> Verdict) {
    self.id = "MU-" + id
    self.title = title
    self.judge = judge
  }

  /// All of them, in the order in which they are told.
  static let all =
    system + directory + log + identity + network + clock + disk + availability
    + upkeep + tokens + proxy + kubernetes + hooks
}

extension Diagnosis {
  /// Judges the facts.
  /// - Parameter id: only that check, as `MU-NET-03` or `NET-03` in any case; nil for all.
  init(_ facts: DoctorFacts, only id: String? = nil) {
    findings = Self.checks(id).map { check in
      let verdict = check.judge(facts)
      return Finding(
        id: check.id, level: verdict.level, title: check.title, finding: verdict.finding,
        fix: verdict.fix)
    }
  }

  private static func checks(_ id: String?) -> [DoctorCheck] {
    guard let id = id?.uppercased() else { return DoctorCheck.all }
    return DoctorCheck.all.filter { $0.id == id || $0.id == "MU-" + id }
  }

  /// Whether there is a check with that id.
  package static func knows(_ id: String) -> Bool { !checks(id).isEmpty }

  /// The catalogue, a line a check.
  package static var list: String {
    let width = DoctorCheck.all.map(\.id.count).max() ?? 0
    return DoctorCheck.all.map { check in
      check.id + String(repeating: " ", count: width - check.id.count + 2) + check.title + "\n"
    }.joined()
  }
}
