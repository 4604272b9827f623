// A support archive: what the log says, in texts that people read and in the file that every tool
// reads, and what the tools find in it. Everything in it comes from the log, which holds no secret;
// what the data directory has besides (keys, the socket, certificates) is never opened.

package import EventLog
import FoundationEssentials
package import Membership
import Projections

/// The contents of an archive, ready to be written as a tar file.
package struct SupportBundle: Sendable {
  /// What somebody besides the log says, as it is to be kept.
  package struct Word: Sendable {
    package var name: String
    package var words: String
    package var text: String
    package init(name: String, words: String, text: String) {
      self.name = name
      self.words = words
      self.text = text
    }
  }
  private struct File: Sendable {
    var name: String
    var words: String
    var bytes: [UInt8]
  }
  private var files: [File] = []
  private let made: Timestamp
  /// What it holds and what was taken out of it, in words.
  package private(set) var manifest: String
  /// Why it says nothing of the state; nil if it does.
  private var unknown: String?
  /// What is wrong with the history; nil if nothing is.
  package private(set) var problem: String?

  /// - Parameters:
  ///   - log: for what only a log has; nil for a file.
  ///   - damage: what is known to be wrong behind the end of the history.
  ///   - live: what the running agent answers; empty if none does.
  ///   - made: the time of its making.
  ///   - version: of the program.
  /// - Throws: as the history does; what is damaged is told in the archive instead where it can be.
  package init(
    _ history: History, log: EventLog?, damage: String? = nil, live: [Word] = [],
    isRedacted: Bool, made: Timestamp, version: String
  ) throws {
    self.made = made
    manifest = ""
    problem = damage
    for word in live { add(word.name, word.words, word.text) }
    let examined = Examination(history, log: log, damage: damage)
    if history.first <= history.head {
      do {
        try describe(history, isRedacted)
      } catch  where Self.isDamage(error) {
        problem = problem ?? (isRedacted ? Self.silence : "\(error)")
      }
    }
    if !examined.isGood { problem = problem ?? "muster verify finds it wrong" }
    add(
      "verify.txt", "what muster verify finds in the original",
      isRedacted && !examined.isGood ? Self.silence + "\n" : examined.text)
    let place =
      history.first <= history.head ? "events \(history.first)..\(history.head)" : "no event"
    var text = "muster support archive, made \(made.rfc3339) by muster \(version)\n"
    text += "\(place) of cluster \(history.source.cluster), log of node \(history.source.node)\n"
    if let problem { text += "DAMAGED: \(problem)\n" }
    if let unknown { text += "left out: every view of the state, since \(unknown)\n" }
    text +=
      live.isEmpty
      ? "no agent answered; how it was then is not in it, only what was recorded\n"
      : "an agent answered; how it was then: \(live.map(\.name).joined(separator: " "))\n"
    text +=
      "taken out: "
      + (isRedacted
        ? "\(Redaction.words) (addresses are replaced, each by the same one everywhere)"
        : "nothing; addresses and reasons are in it (--redact takes them out)") + "\n"
    text += "names of nodes and actors are in it; secrets and keys are not, since no log has them\n"
    text += "holds\n"
    for file in files { text += "  \(file.name)  \(file.bytes.count) bytes  \(file.words)\n" }
    manifest = text
    files.insert(File(name: "MANIFEST.txt", words: "", bytes: Array(text.utf8)), at: 0)
  }

  private static let silence = "FAILED: see muster verify on the node"

  private static func isDamage(_ error: any Error) -> Bool {
    switch error {
    case let fault as Fault: fault.kind == .damaged
    case let unanswerable as Unanswerable: unanswerable.exitCode == 65
    default: error is HistoryFault
    }
  }

  private mutating func describe(_ history: History, _ isRedacted: Bool) throws {
    var export: [UInt8] = []
    try history.export(redaction: isRedacted ? Redaction() : nil) { export += $0 }
    let source = try ExportSource(export, name: "history.muster")
    let shown = History(source)
    add("history.muster", "all events, for muster ... --file", export)
    var events = EventText(isJSON: false).header ?? ""
    var reader = EventReader()
    try reader.lines(EventFilter(), of: shown, limit: 10_000) {
      events += EventText(isJSON: false).line($0)
    }
    add("events.txt", "the newest 10,000 events in words", events)
    guard try shown.knowsState(at: shown.head) else {
      unknown = shown.beginsLate
      return
    }
    let state = try shown.state(at: shown.head)
    let recorded =
      "as recorded at index \(state.lastIndex) (\(state.lastTime.rfc3339)): what nobody recorded, "
      + "like a silence, is not in it\n\n"
    for view in ProjectionDigests.texts(state, now: state.lastTime) {
      let isData = view.name.contains(".")
      add(
        isData ? view.name : view.name + ".txt", "\(view.name) as recorded through the last event",
        isData ? view.text : recorded + view.text)
    }
    add(
      "why-ha.txt", "what high availability rests on, as recorded",
      recorded + (try Why(shown, "ha", at: shown.head, option: " --file history.muster")).text)
    let page = try TimelinePage(shown, option: " --file history.muster")
    add("timeline.html", "the history as a page", page.html)
  }

  private mutating func add(_ name: String, _ words: String, _ text: String) {
    add(name, words, Array(text.utf8))
  }

  private mutating func add(_ name: String, _ words: String, _ bytes: [UInt8]) {
    files.append(File(name: name, words: words, bytes: bytes))
  }

  /// Writes it as a tar file (POSIX ustar), all under `muster-support/`.
  package func write(_ write: ([UInt8]) throws -> Void) throws {
    for file in files {
      try write(header("muster-support/" + file.name, file.bytes.count))
      try write(file.bytes)
      let rest = file.bytes.count % 512
      if rest > 0 { try write(Array(repeating: 0, count: 512 - rest)) }
    }
    try write(Array(repeating: 0, count: 1024))
  }

  private func header(_ name: String, _ size: Int) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) {
      for (i, byte) in text.utf8.enumerated() { block[offset + i] = byte }
    }
    func octal(_ value: Int64, _ digits: Int) -> String {
      let text = String(max(0, value), radix: 8)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    put(name, at: 0)
    put(octal(0o600, 7), at: 100)
    put(octal(0, 7), at: 108)
    put(octal(0, 7), at: 116)
    put(octal(Int64(size), 11), at: 124)
    put(octal(made.milliseconds / 1000, 11), at: 136)
    put("        0", at: 148)
    put("ustar", at: 257)
    put("00", at: 263)
    put(octal(Int64(block.reduce(0) { $0 + Int($1) }), 6), at: 148)
    block[154] = 0
    block[155] = 32
    return block
  }
}
