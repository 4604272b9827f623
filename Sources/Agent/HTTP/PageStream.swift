// What the page is told while it is open: a record for every event, its index as the id from which
// a browser goes on by itself, and every two seconds a pulse that says what the records rest on.

import EventLog
import FoundationEssentials
import History
import Hummingbird
import Membership
import NIOCore

struct PageStream: Sendable {
  let daemon: Daemon
  let node: ControlPlane
  /// The last index that the page has.
  let after: UInt64
  /// Throws once the reader may read no more.
  let stillAllowed: @Sendable () async throws -> Void

  /// How a page judges what it shows.
  private struct Pulse: Encodable {
    var cluster: String
    /// Of this node.
    var name: String
    var applied: UInt64
    /// The leader's name; nil without contact to one.
    var leader: String?
    /// Milliseconds since a leader was last known.
    var silent: Int64

    enum CodingKeys: CodingKey { case cluster, name, applied, leader, silent }

    /// A missing leader is told as null.
    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(cluster, forKey: .cluster)
      try values.encode(name, forKey: .name)
      try values.encode(applied, forKey: .applied)
      try values.encode(leader, forKey: .leader)
      try values.encode(silent, forKey: .silent)
    }
  }

  func response() -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
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
    var recorder = TimelineRecorder()
    var last = after
    while !Task.isCancelled, isCurrent, (try? await stillAllowed()) != nil {
      try await send("event: pulse\ndata: \(try pulse)\n\n", to: &writer)
      let history = History(LogSource(node.log, applied: node.board.appliedIndex))
      if history.head > last, history.head >= history.first {
        // A page that was away for long begins anew with what it can hold.
        last = max(last, TimelinePage.first(of: history.first...history.head) - 1)
      }
      while last < history.head {
        let batch = try records(history, from: last + 1, &recorder)
        last = batch.last
        try await send(batch.text, to: &writer)
      }
      _ = await node.board.applied.wait(above: last, timeout: .seconds(2))
    }
  }

  /// Whether this node still is what it was when the page asked.
  private var isCurrent: Bool {
    guard case .controlPlane(let current) = daemon.mode, current === node else { return false }
    return !node.board.isClosed
  }

  private var pulse: String {
    get throws {
      let leader = node.board.leader
      let members = node.board.directory.members.values
      let silent = node.board.leaderless
      return String(
        decoding: try JSON.encode(
          Pulse(
            cluster: daemon.file.cluster, name: daemon.settings.name,
            applied: node.board.appliedIndex,
            leader: leader.map { id in members.first { $0.id == id }?.name ?? "\(id)" },
            silent: Int64(clamping: silent.nanoseconds / 1_000_000))), as: UTF8.self)
    }
  }

  private func records(
    _ history: History, from first: UInt64, _ recorder: inout TimelineRecorder
  ) throws -> (text: String, last: UInt64) {
    var text = ""
    var last = first
    try history.walk(from: first, through: first + 255) { recorded, before, after in
      let record = recorder.record(recorded, before: before, after: after)
      text += "id: \(recorded.index)\ndata: \(record.line)\n"
      last = recorded.index
      return true
    }
    return (text, last)
  }

  private func send(_ text: String, to writer: inout any ResponseBodyWriter) async throws {
    try await writer.write(ByteBuffer(string: text))
  }
}
