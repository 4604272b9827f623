// What is wrong with a node, in words: what the log records beside what is observed, each marked as
// what it is, so that nobody takes an opinion for a fact or a fact of yesterday for one of now.

package import Membership

/// The event by which the log came to suspect a node.
package struct Suspicion: Hashable, Sendable {
  /// Of `node.suspected`.
  package var index: UInt64
  /// Who had not heard from it: the leader of that time.
  package var by: String

  package init(index: UInt64, by: String) {
    self.index = index
    self.by = by
  }
}

/// A node that does not count, or of which the log and what is seen differ.
package struct Trouble: Hashable, Sendable {
  package var name: String
  /// What the log says; nil if it says nothing bad.
  package var recorded: String?
  /// What is seen now; nil without an observation.
  package var observed: String?

  package init(name: String, recorded: String?, observed: String?) {
    self.name = name
    self.recorded = recorded
    self.observed = observed
  }

  /// `n3: recorded: suspected by n1 (index 41, 3m12s ago) · observed by n1: no contact for 3m15s`.
  package var sentence: String {
    let parts = [recorded.map { "recorded: \($0)" }, observed]
    return "\(name): " + parts.compactMap { $0 }.joined(separator: " · ")
  }

  /// From so many entries on a node has not caught up, as the leader judges it.
  private static let behind: UInt64 = 256
  /// After so many milliseconds without a sign of life it is out of contact.
  static let silent: Int64 = 1000

  /// All control-plane nodes of which something must be said, in the order of joining.
  /// - Parameters:
  ///   - now: gives the ages.
  ///   - suspicions: by whom nodes are suspected, as far as that is known.
  package static func all(
    _ cluster: Cluster, now: Timestamp, outlook: Outlook?, suspicions: [NodeID: Suspicion]
  ) -> [Trouble] {
    // Who hears from no leader knows nothing of the others.
    let outlook = outlook?.hasLeader == true ? outlook : nil
    let observer = cluster.leader.map { cluster.name(of: $0) } ?? ""
    return cluster.controlPlane.compactMap { member in
      let recorded = recorded(member, now: now, suspicions[member.id])
      let seen = outlook.flatMap { observed(member, $0, cluster.lastIndex) }
      guard recorded != nil || seen != nil else { return nil }
      let isSeen = outlook.map { !$0.unseen.contains(member.id) } ?? false
      let words = seen ?? (isSeen ? contact(member) : nil)
      return Trouble(
        name: member.name, recorded: recorded,
        observed: words.map { "observed by \(observer): \($0)" })
    }
  }

  private static func recorded(
    _ member: Member, now: Timestamp, _ suspicion: Suspicion?
  ) -> String? {
    func ago(_ since: Timestamp) -> String {
      "\(Age(milliseconds: now.milliseconds - since.milliseconds)) ago"
    }
    var words: [String] = []
    if let since = member.suspectedSince {
      let by = suspicion.map { " by \($0.by) (index \($0.index), \(ago(since)))" }
      words.append("suspected\(by ?? " (\(ago(since)))")")
    }
    if let maintenance = member.maintenance {
      let until = maintenance.until.map { ", until \($0.rfc3339)" } ?? ""
      words.append("in maintenance (begun \(ago(maintenance.since))\(until))")
    }
    if let since = member.lostSince {
      words.append("lacks what it had acknowledged (found \(ago(since)))")
    }
    return words.isEmpty ? nil : words.joined(separator: ", ")
  }

  /// A voter that is suspected and back counts once its contact has lasted.
  private static func contact(_ member: Member) -> String {
    member.isSuspected ? "in contact again, and counts once that has lasted" : "in contact"
  }

  private static func observed(_ member: Member, _ outlook: Outlook, _ last: UInt64) -> String? {
    // A newcomer without a role is on its way.
    guard !outlook.healthyVoters.contains(member.id), !outlook.unseen.contains(member.id),
      member.datastoreRole != nil || member.isSuspected
    else { return nil }
    let hindrance = outlook.hindrances[member.id]
    // So is one that was a worker in between: it fetches what it had before.
    if hindrance == .forgotten, member.datastoreRole != .voter, member.lostSince == nil,
      !member.isSuspected
    {
      return nil
    }
    if member.id == outlook.by { return words(hindrance) }
    guard let sighting = outlook.sightings[member.id] else {
      return "not heard from since it leads"
    }
    if !sighting.ready || (sighting.contactAge ?? 0) >= silent {
      let age = sighting.contactAge.map { " for \(Age(milliseconds: $0).precise)" }
      return "no contact\(age ?? "")"
    }
    if hindrance == .link {
      let age = sighting.contactAge.map { ", last heard from \(Age(milliseconds: $0).precise) ago" }
      return words(.link) + (age ?? "")
    }
    if hindrance == nil, let index = sighting.index, last > index, last - index > behind {
      return "in contact, \(last - index) entries behind"
    }
    return "in contact, but \(words(hindrance))"
  }

  private static func words(_ hindrance: Hindrance?) -> String {
    switch hindrance {
    case .disk: "its disk takes no writes"
    case .forgotten: "it does not have all again that it once acknowledged"
    case .link: "its link closed"
    case nil: "it does not count yet"
    }
  }
}
