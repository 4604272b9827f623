import Agent
import ArgumentParser
import History

struct Nodes: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes",
    abstract: "List the nodes, as kubectl get nodes does.")

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, wide, json, yaml
  }

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var moment: AtOption
  @Option(name: formatNames(), help: "How to print them.")
  var format = Format.pretty
  @Flag(name: [.long, .customShort("w")], help: "Go on, printing rows as they change.")
  var watch = false

  func validate() throws {
    if watch, format == .json || format == .yaml {
      throw ValidationError("--watch goes with -o pretty or -o wide")
    }
    if watch, isPast { throw ValidationError("--at and --file exclude --watch") }
  }

  private var isPast: Bool { moment.at != nil || origin.file != nil }

  func run() async throws {
    if isPast {
      let past = try await origin.open()
      return Terminal.out(try past.nodes(moment.state(past), format: format.rawValue))
    }
    let text = try await answer()
    Terminal.out(text)
    guard watch else { return }
    var known = Set(rows(text).map(\.lasting))
    while true {
      try await ContinuousClock().sleep(for: .seconds(1))
      let now = rows(try await answer())
      for row in now where !known.contains(row.lasting) { Terminal.out(row.line + "\n") }
      known = Set(now.map(\.lasting))
    }
  }

  private func answer() async throws -> String {
    let name = format == .pretty ? "table" : format.rawValue
    return String(
      decoding: try await origin.agent.client.raw("GET", "/v1/nodes?format=\(name)"), as: UTF8.self)
  }

  /// Each row, and what of it does not change with time alone: name, status, roles, version.
  private func rows(_ table: String) -> [(line: String, lasting: String)] {
    table.split(separator: "\n").map { line in
      let cells = line.split(separator: " ")
      let lasting = cells.prefix(3) + cells.dropFirst(4).prefix(4)
      return (String(line), lasting.joined(separator: " "))
    }
  }
}
