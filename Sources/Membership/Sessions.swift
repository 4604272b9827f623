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
    /// Of its first event.
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

  private var byCommand: [CommandID: Session] = [:]
  /// In log order; what lies before `head` is forgotten.
  private var order: [CommandID] = []
  private var head = 0
  /// The latest moment at which a forgotten id was drawn; nil while nothing is forgotten.
  package private(set) var forgotten: Timestamp?

  package init() {}

  /// From a checkpoint: `sessions` as `all` gave them.
  package init(restoring sessions: [Session], forgotten: Timestamp?) {
    for session in sessions { byCommand[session.command] = session }
    order = sessions.map(\.command)
    self.forgotten = forgotten
  }

  package subscript(_ command: CommandID) -> Session? { byCommand[command] }

  package var count: Int { byCommand.count }

  /// What is kept, oldest first.
  package var all: [Session] { order[head...].compactMap { byCommand[$0] } }

  /// Whether an id that is not known here may have been executed and forgotten.
  package func mayHaveForgotten(_ command: CommandID) -> Bool {
    guard let forgotten else { return false }
    return command.drawn <= forgotten
  }

  /// An event of that command happened.
  mutating func record(_ envelope: Envelope, at index: UInt64) {
    if byCommand[envelope.command] != nil {
      byCommand[envelope.command]?.latest = index
    } else {
      byCommand[envelope.command] = Session(
        command: envelope.command, fingerprint: envelope.fingerprint, first: index, latest: index,
        time: envelope.time)
      order.append(envelope.command)
    }
    prune(now: envelope.time)
  }

  private mutating func prune(now: Timestamp) {
    let horizon = now.adding(seconds: -Sessions.age / 1000)
    while head < order.count, let oldest = byCommand[order[head]],
      byCommand.count > Sessions.limit || oldest.time < horizon
    {
      byCommand[order[head]] = nil
      forgotten = max(forgotten ?? oldest.command.drawn, oldest.command.drawn)
      head += 1
    }
    if head > 1024, head > order.count / 2 {
      order.removeFirst(head)
      head = 0
    }
  }

  package static func == (a: Sessions, b: Sessions) -> Bool {
    a.forgotten == b.forgotten && a.byCommand == b.byCommand
      && a.order[a.head...].elementsEqual(b.order[b.head...])
  }
}
