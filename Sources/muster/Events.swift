import Agent
import ArgumentParser
import History
import Membership

struct Events: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events",
    abstract: "Show what happened, from the log of events.",
    discussion: """
      Works beside a running agent, on a stopped node's data directory and on an exported file. A \
      range is FROM..TO, FROM.. or ..TO; each end is \(Selector.forms).
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, json
  }

  @OptionGroup var origin: HistoryOrigin
  @Argument(
    help: ArgumentHelp("Only these: one moment, FROM..TO, FROM.. or ..TO.", valueName: "range"),
    transform: { try SelectorRange(typed: $0) })
  var range: SelectorRange?
  @Option(name: formatNames(), help: "A table, or one JSON object a line.")
  var format = Format.pretty
  @Option(
    help: ArgumentHelp("Only this type, like node.joined, or kind, like node.", valueName: "type"),
    transform: { try EventFilter.type($0) })
  var type: String?
  @Option(help: ArgumentHelp("Only what is about this node.", valueName: "name"))
  var node: String?
  @Option(
    help: ArgumentHelp("Only what this actor did, like root@n1, root or n1.", valueName: "actor"))
  var actor: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only from then on, like 15m or 2026-10-24T03:12Z.", valueName: "moment"),
    transform: { try Selector(typed: $0) })
  var since: Selector?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Only up to then.", valueName: "moment"),
    transform: { try Selector(typed: $0) })
  var until: Selector?
  @Option(
    name: [.long, .customShort("n")],
    help: ArgumentHelp("At most so many: the newest, or the first of a range.", valueName: "n"))
  var limit: UInt32?
  @Flag(help: "The newest first.")
  var reverse = false
  @Flag(name: [.long, .customShort("f")], help: "Go on, printing events as they happen.")
  var follow = false
  @Flag(help: "Draw lanes of nodes beside the events: roles, and how events caused one another.")
  var graph = false

  func validate() throws {
    if follow, reverse { throw ValidationError("--follow and --reverse exclude each other") }
    if graph, follow || reverse || format == .json {
      throw ValidationError("--graph goes with none of --follow, --reverse and -o json")
    }
    if follow, until != nil || range?.to != nil {
      throw ValidationError(
        "--follow goes on until it is stopped: leave out --until and the end of the range")
    }
    if follow, origin.file != nil {
      throw ValidationError("nothing happens in a file any more: --follow needs an agent")
    }
  }

  func run() async throws {
    let past = try await origin.reading(show)
    // Whoever named an end that lies before the damage has all of it.
    if let cut = past.cut, !(range?.isBeforeHead ?? false) { throw cut }
  }

  private func show(_ past: Chronicle) async throws {
    let history = past.history
    var filter = EventFilter(type: type, node: node, actor: actor)
    if let range { (filter.from, filter.to) = try past.indexes(range) }
    if since != nil || until != nil {
      let (low, high) = try past.indexes(
        SelectorRange(from: since, to: until, reversed: "--since and --until the other way round"))
      (filter.from, filter.to) = (max(filter.from, low), min(filter.to, high))
    }
    if follow {
      // Who is not known yet may come.
      filter.to = .max
    } else {
      try history.check(filter)
    }
    if graph { return try drawGraph(history, filter) }
    var reader = EventReader()
    let output = Terminal.Output()
    // Where nothing is printed yet, it may be read again as far as it is sound; beside a running
    // agent, which had it looked at, it is not.
    defer { if past.position != nil || LogReading.hasPrinted { output.flush() } }
    // Of a few the columns are known once they are read; of many, who may act at the end.
    let isFew = !follow && limit.map { $0 <= 1000 } ?? false
    var few: [EventLine] = []
    var text = EventText(isJSON: format == .json, names: isFew ? [] : try history.names())
    if !isFew { output.write(text.header ?? "") }
    var isEmpty = true
    try reader.lines(
      filter, of: history, limit: limit.map { Int($0) } ?? .max,
      newest: follow || range?.from == nil, reversed: reverse
    ) {
      if isFew { few.append($0) } else { output.write(text.line($0)) }
      isEmpty = false
    }
    if isFew {
      text.fit(few)
      output.write(text.header ?? "")
      for line in few { output.write(text.line(line)) }
    }
    output.flush()
    // Of what lies behind a damage nobody knows: that is told instead.
    if isEmpty, limit != 0, !follow, past.damage == nil || filter.from <= history.head {
      Terminal.note(try history.absence(filter))
    }
    if format == .pretty, history.first > 1, try !history.knowsState(at: history.head) {
      Terminal.note("note: what these events changed is not known: \(history.beginsLate)")
    }
    if follow { try await follow(past, &reader, filter, text) }
  }

  /// Goes on by index, whatever becomes of the agent: what is on the disk is printed once.
  private func follow(
    _ past: Chronicle, _ reader: inout EventReader, _ filter: EventFilter, _ text: EventText
  ) async throws {
    let client = origin.agent.client
    var last = past.history.head
    while true {
      var applied: UInt64?
      do {
        let position: LogPosition = try await client.call(
          "GET", "/v1/log?after=\(last)&wait=30", timeout: .seconds(40))
        guard position.cluster == past.history.source.cluster.description else {
          Terminal.note(
            "this node is in another cluster now (\(position.cluster)); the history of "
              + "\(past.history.source.cluster) ends here at index \(last)")
          return
        }
        applied = position.applied
      } catch is NotRunning {
        try await ContinuousClock().sleep(for: .milliseconds(250))
      } catch let error as APIError where error.exitCode == 7 {
        try await ContinuousClock().sleep(for: .milliseconds(250))
      }
      let history = past.refreshed(applied: applied)
      guard history.head > last else {
        try await ContinuousClock().sleep(for: .milliseconds(10))
        continue
      }
      var more = filter
      more.from = max(filter.from, last + 1)
      try reader.lines(more, of: history) { Terminal.out(text.line($0)) }
      last = history.head
    }
  }

  private func drawGraph(_ history: History, _ filter: EventFilter) throws {
    var lines: [EventLine] = []
    var reader = EventReader()
    try reader.lines(
      filter, of: history, limit: limit.map { Int($0) } ?? (range == nil ? 1000 : .max),
      newest: range?.from == nil
    ) { lines.append($0) }
    let style = EventGraph.Style(width: Terminal.width, isColoured: Terminal.isColoured)
    Terminal.out(try EventGraph(history, lines, style: style).text)
  }
}
