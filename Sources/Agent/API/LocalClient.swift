// The command line's way to the agent on the same machine: HTTP over its admin socket.

import AsyncHTTPClient
import FoundationEssentials
import Membership
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Nobody listens on the admin socket.
package struct NotRunning: Error, Sendable, CustomStringConvertible {
  package let directory: DataDirectory

  package init(directory: DataDirectory) { self.directory = directory }

  /// `muster is not running. Start it with: muster agent`; elsewhere than where a node lies unless
  /// told otherwise, that may be a mistyped name, and an agent would form a cluster there.
  package var description: String {
    let (path, option) = (directory.path, directory.option)
    if path != DataDirectory.standard, !directory.exists(directory.nodeFile) {
      return "muster is not running: "
        + (directory.exists(path)
          ? "\(path) is no node's data directory" : "there is no directory \(path)")
        + ". See whether --data-dir (MUSTER_DATA_DIR) is right; a new node, of a cluster of its "
        + "own, begins there with: muster agent\(option)"
    }
    return "muster is not running. Start it with: muster agent\(option)"
      + (directory.exists(directory.log + "/data.mdb")
        ? "; what its log holds: muster status --at HEAD\(option)" : "")
  }
}

extension DataDirectory {
  /// Where a node keeps everything unless told otherwise.
  package static let standard = "/var/lib/muster"

  /// What a command needs to mean this node, with a space before it; empty for the standard one.
  package var option: String { path == Self.standard ? "" : " --data-dir \(shellQuoted(path))" }
}

/// A client of one agent's admin socket.
package struct LocalClient: Sendable {
  package let directory: DataDirectory
  /// Is given lines about a command that takes its time.
  package var tell: (@Sendable (String) -> Void)?

  /// One for the whole process, which ends it. An agent that does not listen is not waited for.
  private static let client: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(5)
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.redirectConfiguration = .disallow
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  /// What the agent warned of with its last answer, whatever was asked; nil if of nothing.
  package static var warning: String? { told.withLock { $0 } }
  private static let told = Mutex<String?>(nil)

  package init(_ directory: DataDirectory, tell: (@Sendable (String) -> Void)? = nil) {
    self.directory = directory
    self.tell = tell
  }

  /// A new command id: one for each command that is given, kept when it is sent again.
  package static func drawCommand() -> String {
    CommandID(at: .now, random: (Random.number(), Random.number())).description
  }

  /// The answer to a request, decoded.
  /// - Throws: `APIError` if the agent said no; `NotRunning`; `Failure`: no right to the socket, no
  ///   answer in time.
  package func call<Answer: Decodable>(
    _ method: String = "GET", _ path: String, body: (any Encodable & Sendable)? = nil,
    timeout: Duration = .seconds(30), as type: Answer.Type = Answer.self
  ) async throws -> Answer {
    let bytes = try await raw(method, path, body: body, timeout: timeout)
    return try JSON.decode(type, bytes)
  }

  /// A command that appends events, sent again with the same body (and so the same command id)
  /// while the answer is that it may succeed in a moment.
  /// - Parameters:
  ///   - path: without a query, which becomes the `timeout` that is left, and `query`.
  ///   - timeout: how long to try.
  /// - Throws: as `call` does; after `timeout`, the last answer.
  package func append<Answer: Decodable>(
    _ path: String, query: String = "", body: (any Encodable & Sendable)? = nil,
    timeout: Duration, as type: Answer.Type = Answer.self
  ) async throws -> Answer {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: timeout)
    let telling = tellOfWaiting()
    defer { telling.cancel() }
    while true {
      let left = max(clock.now.duration(to: end), .milliseconds(100))
      do {
        let seconds = Double(left.nanoseconds / 1_000_000) / 1000
        return try await call(
          "POST", "\(path)?timeout=\(seconds)\(query)", body: body, timeout: left + .seconds(5))
      } catch let error as APIError where error.exitCode == 7 || error.exitCode == 5 {
        guard clock.now.advanced(by: .milliseconds(200)) < end else { throw error }
        try await clock.sleep(for: .milliseconds(200))
      }
    }
  }

  /// Tells after a moment why there is no answer yet, where that is for want of a leader; until it
  /// is cancelled.
  package func tellOfWaiting() -> Task<Void, any Error> {
    Task { [tell] in
      guard let tell else { return }
      try await Task.sleep(for: .seconds(2))
      let words = String(decoding: try await raw("GET", "/v1/node/waiting"), as: UTF8.self)
      if !words.isEmpty, !Task.isCancelled { tell(words) }
    }
  }

  /// The answer's body as it came.
  package func raw(
    _ method: String = "GET", _ path: String, body: (any Encodable & Sendable)? = nil,
    timeout: Duration = .seconds(30)
  ) async throws -> [UInt8] {
    let response = try await execute(method, path, body: body, timeout: timeout)
    let data = try await response.body.collect(upTo: 64 << 20)
    return Array(buffer: data)
  }

  /// Calls `line` with every line of the answer, without its newline, as it comes; returns when the
  /// answer ends. `timeout` is for the answer's beginning.
  /// - Throws: as `call` does; `NotRunning` if the agent ends in the middle; what `line` throws.
  package func stream(
    _ method: String, _ path: String, body: (any Encodable & Sendable)? = nil,
    timeout: Duration, line: ([UInt8]) async throws -> Void
  ) async throws {
    let response = try await execute(method, path, body: body, timeout: timeout)
    var rest: [UInt8] = []
    var chunks = response.body.makeAsyncIterator()
    while true {
      let chunk: ByteBuffer?
      do {
        chunk = try await chunks.next()
      } catch {
        throw notRunning
      }
      guard let chunk else { break }
      rest += Array(buffer: chunk)
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        try await line(Array(rest[..<end]))
        rest.removeFirst(end + 1)
      }
    }
    if !rest.isEmpty { try await line(rest) }
  }

  private func execute(
    _ method: String, _ path: String, body: (any Encodable & Sendable)?, timeout: Duration
  ) async throws -> HTTPClientResponse {
    try checkSocket()
    var request = HTTPClientRequest(url: "http+unix://\(escaped(directory.socket))\(path)")
    request.method = .init(rawValue: method)
    request.headers.add(name: "muster-user", value: Self.user)
    request.headers.add(name: "muster-warn", value: "1")
    if let body {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: try JSON.encode(body)))
    }
    let response: HTTPClientResponse
    do {
      response = try await Self.client.execute(
        request, timeout: .nanoseconds(Int64(clamping: timeout.nanoseconds)))
    } catch let error as HTTPClientError where error == .deadlineExceeded {
      throw Failure(
        "timed out: the agent on \(directory.path) did not answer in time; whether it happened is "
          + "unknown", exitCode: 7)
    } catch {
      throw notRunning
    }
    let warning = response.headers.first(name: "muster-warning")
    Self.told.withLock { $0 = warning }
    guard (200..<300).contains(response.status.code) else {
      let data = try await response.body.collect(upTo: 1 << 20)
      if let error = try? JSONDecoder().decode(APIError.self, from: data) { throw error }
      throw Failure("the agent answered \(response.status): \(String(buffer: data))")
    }
    return response
  }

  /// No right to open the socket is a message of its own, never "not running".
  private func checkSocket() throws {
    if access(directory.socket, R_OK | W_OK) != 0 {
      if errno == EACCES || errno == EPERM {
        throw Failure(
          "no right to open \(directory.socket): only root and the agent's owner may; "
            + "run the command as one of them (sudo muster ...)")
      }
      throw notRunning
    }
  }

  private var notRunning: NotRunning { NotRunning(directory: directory) }

  /// Who types: for the actor of events.
  static var user: String {
    if let entry = getpwuid(getuid()), let name = entry.pointee.pw_name {
      return String(cString: name)
    }
    return "uid\(getuid())"
  }
}

/// A text as one word of a shell's command.
package func shellQuoted(_ text: String) -> String {
  let isPlain = text.utf8.allSatisfy {
    $0 > 127 || $0 >= 0x2b && $0 <= 0x3a && $0 != 0x2c || $0 >= 0x40 && $0 <= 0x5a || $0 == 0x5f
      || $0 >= 0x61 && $0 <= 0x7a
  }
  return isPlain && !text.isEmpty ? text : "'\(text.replacing("'", with: "'\\''"))'"
}

/// For a part of a URL: everything but letters, digits, `-`, `_` and `.` as percent and hex.
package func escaped(_ text: String) -> String {
  text.utf8.map { byte in
    let isPlain =
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
      || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    return isPlain ? String(UnicodeScalar(byte)) : "%" + hex([byte])
  }.joined()
}
