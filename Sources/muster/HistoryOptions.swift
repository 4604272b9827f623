// Options that all tools of history share: whose history, and how to print what they find.

import Agent
import ArgumentParser
import History
import Membership

/// Where history is read from.
struct HistoryOrigin: ParsableArguments {
  @OptionGroup var agent: LocalAgent
  @Option(
    help: ArgumentHelp(
      "Read a file that muster export wrote, or a folder that holds a log, instead.",
      valueName: "file"))
  var file: String?

  /// What another command needs to read the same, with a space before it.
  var words: String { file.map { " --file \(shellQuoted($0))" } ?? agent.directory.option }

  func open(first look: Chronicle.Look = .none) async throws -> Chronicle {
    try await Chronicle.open(agent.directory, file: file, first: look)
  }

  /// Has `body` read history. Where it meets damage before it has printed anything, it reads again
  /// what another process finds to be sound.
  /// - Returns: what was read.
  /// - Throws: what `body` throws, with what can be read.
  func reading(_ body: (Chronicle) async throws -> Void) async throws -> Chronicle {
    if !LogReading.looksFirst {
      LogReading.beginsAnewOnDamage()
      do {
        let past = try await open()
        do {
          try await body(past)
          return past
        } catch  where !LogReading.hasPrinted && Chronicle.isDamage(error) {
          throw error
        } catch {
          throw past.explained(error)
        }
      } catch  where !LogReading.hasPrinted && Chronicle.isDamage(error) {
        // Below.
      }
    }
    let past = try await open(first: .quick)
    do {
      try await body(past)
      return past
    } catch {
      throw past.explained(error)
    }
  }
}

/// How to print what was found.
struct FindingFormat: ParsableArguments {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, json, yaml
  }
  @Option(name: formatNames(), help: "How to print it.")
  var format = Format.pretty

  func print(_ text: @autoclosure () -> String, _ document: @autoclosure () -> Document) {
    switch format {
    case .pretty: Terminal.out(text())
    case .json: Terminal.out(document().json)
    case .yaml: Terminal.out(document().yaml)
    }
  }
}

/// `--at`.
struct AtOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "As of that moment, replayed from the log: \(Selector.forms).", valueName: "moment"),
    transform: { try Selector(typed: $0) })
  var at: Selector?

  /// The state at that moment, or at HEAD.
  func state(_ past: Chronicle) throws -> Cluster {
    try past.history.state(at: index(past))
  }

  /// That moment, or HEAD.
  func index(_ past: Chronicle) throws -> UInt64 {
    try at.map { try past.index($0) } ?? past.history.head
  }
}

extension Selector {
  /// What was typed here: a time of day without a zone is the clock's.
  init(typed text: String) throws { try self.init(Muster.typed(text), zone: Terminal.zone) }
}

extension SelectorRange {
  init(typed text: String) throws { try self.init(Muster.typed(text), zone: Terminal.zone) }
}

extension Chronicle {
  /// The index meant; on standard error, which moment a time of day was taken for.
  func index(_ selector: Selector) throws -> UInt64 {
    tell(selector)
    return try selector.index(in: history, now: now)
  }

  /// The indexes meant; all without a range.
  func indexes(_ range: SelectorRange?) throws -> (lower: UInt64, upper: UInt64) {
    guard let range else { return (history.first, history.head) }
    tell(range.from)
    if !range.isSingle { tell(range.to) }
    return try range.indexes(in: history, now: now)
  }

  private func tell(_ selector: Selector?) {
    if let taken = selector?.taken(now: now) { Terminal.note(taken) }
  }
}
