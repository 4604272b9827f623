// Of several replicas: whether they have one history and made the same of it, or which is the odd
// one.

/// What replicas say of their history at one index that all of them hold.
package struct ReplicaComparison: Sendable {
  /// One replica; without a hash it did not answer.
  package struct Replica: Sendable {
    package var name: String
    package var last: UInt64?
    package var hash: String?
    /// Of its views at that index; nil if they are not to be compared.
    package var views: [ProjectionDigests.Entry]?
    package var problem: String?
    /// Through which index it computed every hash anew; nil if it was not asked to or does not know
    /// how.
    package var verified: UInt64?
    /// What it found wrong with its log.
    package var damage: String?
    package init(
      name: String, last: UInt64? = nil, hash: String? = nil,
      views: [ProjectionDigests.Entry]? = nil, problem: String? = nil, verified: UInt64? = nil,
      damage: String? = nil
    ) {
      self.name = name
      self.last = last
      self.hash = hash
      self.views = views
      self.problem = problem
      self.verified = verified
      self.damage = damage
    }
  }
  /// The lowest of their last indexes.
  package var index: UInt64
  package var replicas: [Replica]
  /// Why views are not to be compared; nil if they are.
  package var obstacle: String?

  package init(index: UInt64, replicas: [Replica], obstacle: String? = nil) {
    self.index = index
    self.replicas = replicas
    self.obstacle = obstacle
  }

  /// Those that differ from what most have, in their history or in what they made of it; empty if
  /// all agree. Where there is no most, all are odd.
  package var odd: [String] {
    let byHash = Self.odd(groups { $0.hash })
    return byHash.isEmpty ? Self.odd(groups { $0.views.map { "\($0)" } }) : byHash
  }

  /// Names of those who say the same, the largest group first.
  private func groups(_ word: (Replica) -> String?) -> [[String]] {
    var names: [String: [String]] = [:]
    for replica in replicas {
      if let word = word(replica) { names[word, default: []].append(replica.name) }
    }
    return names.values.sorted { ($1.count, $0[0]) < ($0.count, $1[0]) }
  }

  private static func odd(_ groups: [[String]]) -> [String] {
    guard groups.count > 1 else { return [] }
    return (groups[0].count > groups[1].count ? groups.dropFirst() : groups[...]).flatMap(\.self)
      .sorted()
  }

  /// Who differs from whom; nil if all agree.
  private static func difference(_ groups: [[String]]) -> String? {
    guard groups.count > 1 else { return nil }
    let odd = odd(groups)
    if groups[0].count > groups[1].count {
      return "\(odd.joined(separator: " and ")) \(odd.count == 1 ? "differs" : "differ") from the "
        + "others"
    }
    if groups[0].count == 1 { return "no two replicas agree" }
    return groups.map { $0.joined(separator: " and ") }.joined(separator: " differ from ")
      + ", and none has most on its side"
  }

  /// What the replicas found when they computed their hashes anew; nil if none did.
  package var proof: Examination.Check? {
    let proven = replicas.filter { $0.verified != nil && $0.damage == nil }
    let damaged = replicas.compactMap { replica in
      replica.damage.map {
        "the log of \(replica.name) is damaged: \($0); muster repair there, on the stopped node, "
          + "says what can be done"
      }
    }
    let others = replicas.filter { $0.hash != nil && $0.verified == nil }.map { replica in
      "\(replica.name) compared what it has stored only: its version does not compute it anew"
    }
    guard !proven.isEmpty || !damaged.isEmpty else { return nil }
    let good = "every hash computed anew by " + proven.map(\.name).joined(separator: " ")
    return Examination.Check(
      name: "chains", isGood: damaged.isEmpty ? (others.isEmpty ? true : nil) : false,
      words: (damaged + (proven.isEmpty ? [] : [good]) + others).joined(separator: "; "))
  }

  /// Whether the histories are one.
  package var check: Examination.Check {
    let answered = replicas.filter { $0.hash != nil }
    let silent = replicas.filter { $0.hash == nil }.map { replica in
      "\(replica.name) \(replica.problem ?? "did not answer")"
    }
    let difference = Self.difference(groups { $0.hash })
    let words =
      difference.map { "\($0) at index \(index)" }
      ?? "\(answered.count) of \(replicas.count) replicas have one history through index \(index): "
      + answered.map(\.name).joined(separator: " ")
    return Examination.Check(
      name: "replicas", isGood: difference == nil ? (answered.count > 1 ? true : nil) : false,
      words: words + silent.map { "; " + $0 }.joined())
  }

  /// Whether all made the same of one history: another result of the same events is a fault of a
  /// program, not of a log. Nil where the histories differ, or nobody is there to compare with.
  package var viewsCheck: Examination.Check? {
    let told = replicas.filter { $0.views != nil }
    guard groups({ $0.hash }).count == 1, replicas.count(where: { $0.hash != nil }) > 1 else {
      return nil
    }
    if let obstacle {
      return Examination.Check(
        name: "their views", isGood: nil, words: "not compared: \(obstacle)")
    }
    guard let difference = Self.difference(groups { $0.views.map { "\($0)" } }) else {
      return Examination.Check(
        name: "their views", isGood: true,
        words: "the same: " + told.map(\.name).joined(separator: " "))
    }
    let names = told.first?.views?.map(\.name).filter { name in
      Set(told.map { $0.views?.first { $0.name == name }?.digest }).count > 1
    }
    return Examination.Check(
      name: "their views", isGood: false,
      words: "\(difference) in \((names ?? []).joined(separator: " ")), although their events are "
        + "the same: a program made something else of them; muster replay on each says whose views "
        + "are not what the log says")
  }
}
