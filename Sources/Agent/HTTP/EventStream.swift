// Events as lines, from the log of a running node, up to what is applied; following goes on as
// events are applied, by index, so that a follower who comes again misses and repeats nothing.

import EventLog
import FoundationEssentials
import History
import Hummingbird
import Membership
import NIOCore

struct EventStream: Sendable {
  let node: ControlPlane
  let filter: EventFilter
  let isJSON: Bool
  let isReversed: Bool
  let follows: Bool
  let limit: Int

  init(node: ControlPlane, query: Query) throws {
    self.node = node
    filter = EventFilter(
      from: try query.number("from") ?? (try query.number("after")).map { $0 &+ 1 } ?? 1,
      to: try query.number("to") ?? .max, type: try query.text("type").map(Self.type),
      node: query.text("node"),
      actor: query.text("actor"),
      since: try query.number("since").map { Timestamp(milliseconds: Int64(clamping: $0)) },
      until: try query.number("until").map { Timestamp(milliseconds: Int64(clamping: $0)) })
    switch query.text("format") ?? "pretty" {
    case "json": isJSON = true
    case "pretty": isJSON = false
    case let other:
      throw Failure("unknown format \"\(other)\": it is one of pretty or json", exitCode: 2)
    }
    isReversed = query.flag("reverse")
    follows = query.flag("follow")
    limit = Int(clamping: try query.number("limit") ?? .max)
  }

  private static func type(_ text: String) throws(Failure) -> String {
    do {
      return try EventFilter.type(text)
    } catch {
      throw Failure("\(error)", exitCode: error.exitCode)
    }
  }

  func response() -> Response {
    Response(
      status: .ok,
      headers: [.contentType: isJSON ? "application/x-ndjson" : "text/plain; charset=utf-8"],
      body: ResponseBody { writer in
        // A long read of the log must not hold up the loop that serves everybody.
        try await withTaskExecutorPreference(globalConcurrentExecutor) {
          var writer = writer
          try await write(to: &writer)
          try await writer.finish(nil)
        }
      })
  }

  private func write(to writer: inout any ResponseBodyWriter) async throws {
    let applied = node.board.appliedIndex
    var reader = EventReader()
    let text = EventText(isJSON: isJSON)
    if let header = text.header { try await write(header, to: &writer) }
    for chunk in try lines(filter, through: applied, &reader).chunks(of: 256) {
      try await write(chunk.map { text.line($0) }.joined(), to: &writer)
    }
    guard follows else { return }
    var next = applied + 1
    while !Task.isCancelled, !node.board.isClosed, next <= filter.to {
      let now = await node.board.applied.wait(above: next - 1, timeout: .seconds(15))
      guard now >= next else { continue }
      var more = filter
      more.from = max(filter.from, next)
      let lines = try lines(more, through: now, &reader, isFollowing: true)
      if !lines.isEmpty { try await write(lines.map { text.line($0) }.joined(), to: &writer) }
      next = now + 1
    }
  }

  private func lines(
    _ filter: EventFilter, through index: UInt64, _ reader: inout EventReader,
    isFollowing: Bool = false
  ) throws -> [EventLine] {
    var lines: [EventLine] = []
    try reader.lines(
      filter, of: History(LogSource(node.log, applied: index)), through: index,
      limit: isFollowing ? .max : limit, newest: filter.from <= 1,
      reversed: !isFollowing && isReversed
    ) { lines.append($0) }
    return lines
  }

  private func write(_ text: String, to writer: inout any ResponseBodyWriter) async throws {
    try await writer.write(ByteBuffer(string: text))
  }
}

extension Array {
  func chunks(of size: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
  }
}
