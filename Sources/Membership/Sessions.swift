// Exactly once: the commands that were executed, by the ids that their clients drew. A repeated
// command finds its answer here instead of happening twice. Memory is bounded by count and by age;
// an id says when it was drawn, so that one older than what was forgotten can be refused rather
// than mistaken for new. Everything is a function of the log: equal prefixes give equal sessions.

/// The commands of late and what became of them.
package struct Sessions: Equatable, Sendable {
  /// One executed command.
  package struct Session: Hashable, Sendable {
    package var command: CommandID
    package var fingerprint: UInt64
    /// Index of its first event.
    package var first: UInt64
    /// Index of its latest event.
    package var latest: UInt64
    /// Of its first event, and later by what was forgiven since.
    package var time: Timestamp
    package init(
      command: CommandID, fingerprint: UInt64, first: UInt64, latest: UInt64, time: Timestamp
    ) {
      self.command = command
      self.fingerprint = fingerprint
      self.first = first
      self.latest = latest
      self.time = time
    }
  }

  /// How many commands are kept at most.
  package static let limit = 10_000
  /// How long a command is kept at most, in milliseconds of log time.
  package static let age: Int64 = 24 * 3600 * 1000
  /// How much of a time without commands counts, in milliseconds.
  private static let patience: Int64 = 3600 * 1000

  /// In log order; what lies before `head` is forgotten.
  private var kept: [Session] = []
  private var head = 0
  /// Where in `kept` a command's session is, plus `dropped`.
  private var places: [CommandID: Int] = [:]
  /// How many were cut off the front of `kept`.
  private var dropped = 0
  /// The latest moment at which a forgotten id was drawn; nil while nothing is forgotten.
  package private(set) var forgotten: Timestamp?

  /// Whether anything is recorded.
  let isKept: Bool

  /// - Parameter kept: whether commands are remembered at all: by a state that only is looked at
  ///   they need not be, and they are most of what folding an event costs.
  package init(kept isKept: Bool = true) { self.isKept = isKept }

  /// From a checkpoint: `sessions` as `all` gave them.
  package init(restoring sessions: [Session], forgotten: Timestamp?) {
    isKept = true
    kept = sessions
    places.reserveCapacity(sessions.count)
    for (place, session) in sessions.enumerated() { places[session.command] = place }
    self.forgotten = forgotten
  }

  package subscript(_ command: CommandID) -> Session? {
    places[command].map { kept[$0 - dropped] }
  }

  package var count: Int { places.count }

  /// What is kept, oldest first.
  package var all: [Session] { Array(kept[head...]) }

  /// Whether an id that is not known here may have been executed and forgotten.
  package func mayHaveForgotten(_ command: CommandID) -> Bool {
    guard let forgotten else { return false }
    return command.drawn <= forgotten
  }

  /// An event of that command happened.
  mutating func record(_ envelope: Envelope, at index: UInt64) {
    guard isKept else { return }
    forgive(until: envelope.time)
    func value(_ place: inout Int) -> Int { place }
    let next = dropped + kept.count
    // Finds it or takes the next place, with one search.
    let place = value(&places[envelope.command, default: next])
    if place < next {
      kept[place - dropped].latest = index
    } else {
      kept.append(
        Session(
          command: envelope.command, fingerprint: envelope.fingerprint, first: index,
          latest: index, time: envelope.time))
    }
    prune(now: envelope.time)
  }

  /// Time in which nothing happened makes no command old, but for one hour of it: a clock that was
  /// wrong moves recorded time by a year, and what was carried out just before is asked for again.
  private mutating func forgive(until now: Timestamp) {
    guard let last = kept.last, head < kept.count else { return }
    let gap = now.milliseconds &- last.time.milliseconds &- Sessions.patience
    guard gap > 0 else { return }
    for place in head..<kept.count {
      kept[place].time = Timestamp(milliseconds: kept[place].time.milliseconds &+ gap)
    }
  }

  private mutating func prune(now: Timestamp) {
    let horizon = now.adding(seconds: -Sessions.age / 1000)
    while head < kept.count, kept.count - head > Sessions.limit || kept[head].time < horizon {
      let drawn = kept[head].command.drawn
      places[kept[head].command] = nil
      forgotten = max(forgotten ?? drawn, drawn)
      head += 1
    }
    if head > 1024, head > kept.count / 2 {
      kept.removeFirst(head)
      dropped += head
      head = 0
    }
  }

  package static func == (a: Sessions, b: Sessions) -> Bool {
    a.forgotten == b.forgotten && a.kept[a.head...].elementsEqual(b.kept[b.head...])
  }
}
