// Everything that can be checked of one history: that no byte changed, that nothing is missing,
// that time never went back, that every event is understood and fits the ones before it. And of
// several replicas, that they have one history, or which of them is the odd one.

package import EventLog
package import Membership
import Raft

/// What looking at a whole history found.
package struct Examination: Sendable {
  package struct Check: Sendable {
    package var name: String
    /// Nil if it could not be looked at.
    package var isGood: Bool?
    package var words: String
    package init(name: String, isGood: Bool?, words: String) {
      self.name = name
      self.isGood = isGood
      self.words = words
    }
  }
  package private(set) var checks: [Check] = []
  /// What all events came to, folded from the first one; nil if they could not be.
  package private(set) var state: Cluster?
  package var isGood: Bool { !checks.contains { $0.isGood == false } }

  /// - Parameters:
  ///   - log: the node's log itself, whose pages, commit index and stored states are then checked
  ///     too.
  ///   - damage: what is known to be wrong behind the end of the history.
  ///   - option: what another command needs to read the same.
  package init(
    _ history: History, log: EventLog? = nil, damage: String? = nil, option: String = ""
  ) {
    var last = history.head
    func found(_ damage: String) -> (Bool?, String) {
      let readable =
        last == 0
        ? "no event can be read"
        : "events 1 to \(last) can be read: muster events ..\(last)\(option)"
      return (
        false, "\(damage); \(readable); muster repair, on the stopped node, says what can be done"
      )
    }
    if let damage {
      add("pages and chain") { found(damage) }
    } else if let log {
      add("pages and chain") {
        let verified = try log.verify()
        if let damage = verified.damage {
          last = min(last, verified.lastIndex)
          return found("damaged at \(damage)")
        }
        return (true, "\(counted(verified.checked, "entry", "entries")), every hash computed anew")
      }
    } else {
      checks.append(
        Check(name: "chain", isGood: true, words: "every hash computed anew at opening"))
    }
    if last < history.first, last < history.head || damage != nil { return }
    // One fold looks at every event too; where it does not come to its end, each is looked at
    // alone.
    var look = EventCheck(history)
    let rebuilt = Result {
      try history.knowsState(at: history.first - 1)
        ? Rebuild(history, through: last) { look.see($0) } : nil
    }
    state = (try? rebuilt.get())?.state
    add("events") {
      if look.next <= last, look.flaw == nil {
        look = EventCheck(history)
        try history.forEachEvent(from: history.first, through: last) { look.see($0) }
      }
      if let flaw = look.flaw { throw flaw }
      return (true, look.words(through: last))
    }
    add("states") {
      guard let rebuilt = try rebuilt.get() else {
        return (nil, "not folded: this history begins at index \(history.first)")
      }
      if let difference = rebuilt.difference { return (false, difference) }
      let stored = rebuilt.storedStates
      return (
        true,
        "every event fits the ones before it"
          + (stored == 0
            ? ""
            : "; \(counted(stored, "stored state is", "stored states are")) what "
              + (stored == 1 ? "its" : "their") + " events make")
          + (rebuilt.unreadable.map { "; " + $0 } ?? "")
      )
    }
  }

  private mutating func add(_ name: String, _ look: () throws -> (Bool?, String)) {
    do {
      let (isGood, words) = try look()
      checks.append(Check(name: name, isGood: isGood, words: words))
    } catch {
      checks.append(Check(name: name, isGood: false, words: "\(error)"))
    }
  }

  package mutating func add(_ check: Check) { checks.append(check) }

  package var text: String {
    let width = checks.map(\.name.count).max() ?? 0
    return checks.map { check in
      let word = check.isGood.map { $0 ? "ok     " : "FAILED " } ?? "unknown"
      let gap = String(repeating: " ", count: width - check.name.count + 2)
      return EventText.printable("\(word)  \(check.name)\(gap)\(check.words)") + "\n"
    }.joined()
  }

  package var document: Document {
    .answer([
      ("good", .truth(isGood)),
      (
        "checks",
        .list(
          checks.map {
            .object([
              ("name", .text($0.name)), ("good", $0.isGood.map { .truth($0) } ?? .null),
              ("words", .text($0.words)),
            ])
          })
      ),
    ])
  }
}

/// Looks at events one after the other, until one is wrong.
private struct EventCheck {
  let history: History
  /// The index that should come next.
  private(set) var next: UInt64
  /// The first thing that is wrong.
  private(set) var flaw: (any Error)?
  private var last: (time: Timestamp, term: UInt64)?
  private var kinds: Set<EventType> = []

  init(_ history: History) {
    self.history = history
    next = history.first
  }

  /// - Returns: whether nothing was wrong yet.
  @discardableResult
  mutating func see(_ recorded: RecordedEvent) -> Bool {
    guard flaw == nil else { return false }
    do {
      try check(recorded)
    } catch {
      flaw = error
      return false
    }
    last = (recorded.envelope.time, recorded.term)
    kinds.insert(recorded.envelope.event.type)
    next += 1
    return true
  }

  private func check(_ recorded: RecordedEvent) throws {
    guard recorded.index == next else { throw HistoryFault(index: next, text: "it is missing") }
    if let last, recorded.envelope.time < last.time {
      throw HistoryFault(index: recorded.index, text: "its time is before the one before it")
    }
    if let last, recorded.term < last.term {
      throw HistoryFault(index: recorded.index, text: "its term is before the one before it")
    }
    try checkOrigin(recorded)
  }

  /// A history that was imported is the one that the import names. Hashes of what was redacted are
  /// its own.
  private func checkOrigin(_ recorded: RecordedEvent) throws {
    guard case .clusterImported(let imported) = recorded.envelope.event,
      history.source.redaction == nil,
      let hash = try history.source.chainHash(at: imported.sourceIndex)
    else { return }
    guard hash.bytes == imported.sourceHash.bytes else {
      throw HistoryFault(
        index: recorded.index, text: "it follows another history than the one it names")
    }
  }

  func words(through index: UInt64) -> String {
    "\(history.first)..\(index) without a gap, of \(counted(kinds.count, "kind", "kinds")), "
      + "all of schema 1, times in order"
  }
}

/// `1 entry`, `2 entries`.
func counted(_ count: Int, _ one: String, _ many: String) -> String {
  "\(count) \(count == 1 ? one : many)"
}
