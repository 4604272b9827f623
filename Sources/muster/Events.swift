import Agent
import ArgumentParser

struct Events: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what happened, from the log of events.",
    discussion: """
      Works on a stopped node too, from its data directory. Every event has an index, which is its \
      place in the log; the range FROM..TO takes indexes, as in 10..20, 10.. or ..20.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, json
  }

  @OptionGroup var agent: LocalAgent
  @Argument(
    help: ArgumentHelp("Only these indexes: N, FROM..TO, FROM.. or ..TO.", valueName: "range"),
    transform: { try IndexRange($0) })
  var range: IndexRange?
  @Option(name: formatNames(), help: "A table, or one JSON object a line.")
  var format = Format.pretty
  @Option(
    help: ArgumentHelp("Only this type, like node.joined, or kind, like node.", valueName: "type"))
  var type: String?
  @Option(help: ArgumentHelp("Only what is about this node.", valueName: "name"))
  var node: String?
  @Option(
    help: ArgumentHelp("Only what this actor did, like root@n1, root or n1.", valueName: "actor"))
  var actor: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Only from then on: a UTC time, or how long ago, like 15m.", valueName: "time"),
    transform: { try EventsRequest.moment($0) })
  var since: Int64?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only up to then.", valueName: "time"),
    transform: { try EventsRequest.moment($0) })
  var until: Int64?
  @Option(
    name: [.long, .customShort("n")],
    help: ArgumentHelp("At most so many: the newest, or the first of a range.", valueName: "n"))
  var limit: UInt32?
  @Flag(help: "The newest first.")
  var reverse = false
  @Flag(name: [.long, .customShort("f")], help: "Go on, printing events as they happen.")
  var follow = false

  func validate() throws {
    if follow, reverse { throw ValidationError("--follow and --reverse exclude each other") }
  }

  func run() async throws {
    var request = EventsRequest()
    request.isJSON = format == .json
    request.from = range?.from
    request.to = range?.to
    request.type = type
    request.node = node
    request.actor = actor
    request.since = since
    request.until = until
    request.limit = limit.map { Int($0) }
    request.isReversed = reverse
    do {
      try await stream(&request)
    } catch let error as NotRunning {
      guard !follow, agent.directory.exists(agent.directory.log) else { throw error }
      try request.printOffline(agent.directory) { Terminal.out($0) }
    }
  }

  /// Prints what the agent answers; a follower goes on after the last event when the agent ends and
  /// comes back.
  private func stream(_ request: inout EventsRequest) async throws {
    var last: UInt64?
    var hasHeader = false
    while true {
      do {
        try await agent.client.stream(
          "GET", request.path(follow: follow), timeout: .seconds(60)
        ) { bytes in
          let line = String(decoding: bytes, as: UTF8.self)
          let index = Self.index(of: line)
          if index == nil, hasHeader { return }
          hasHeader = true
          last = index ?? last
          Terminal.out(line + "\n")
        }
      } catch let error as NotRunning {
        guard follow, hasHeader else { throw error }
      }
      guard follow else { return }
      if let last {
        request.from = last + 1
        request.limit = nil
      }
      try await ContinuousClock().sleep(for: .milliseconds(500))
    }
  }

  /// The index of a line of either format; nil for the table's header.
  private static func index(of line: String) -> UInt64? {
    let digits =
      line.hasPrefix("{")
      ? line.firstRange(of: "\"index\":").map { line[$0.upperBound...] } ?? ""
      : line.drop { $0 == " " }
    return UInt64(digits.prefix { $0.isASCII && $0.isNumber })
  }
}

/// `N`, `FROM..TO`, `FROM..`, `..TO`.
struct IndexRange {
  var from: UInt64?
  var to: UInt64?

  init(_ text: String) throws(Failure) {
    func index(_ part: Substring) throws(Failure) -> UInt64? {
      if part.isEmpty { return nil }
      guard part.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
        let value = UInt64(part), value > 0
      else {
        throw Failure(
          "\"\(text)\" is not a range of indexes like 10..20, 10.. or ..20", exitCode: 2)
      }
      return value
    }
    if let dots = text.firstRange(of: "..") {
      from = try index(text[..<dots.lowerBound])
      to = try index(text[dots.upperBound...])
    } else {
      from = try index(text[...])
      to = from
    }
  }
}
