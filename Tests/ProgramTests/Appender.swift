// A client that appends tokens without a pause, over the admin sockets of several nodes: it keeps
// its connection as long as it may, goes to another node when one does not listen, and asks again
// under the same command id when it does not know what became of a request.

import Foundation
import Synchronization

final class Appender: Sendable {
  struct Record: Sendable {
    /// Ids of commands whose commit was acknowledged.
    var acknowledged: [String] = []
    /// Requests that were sent and not answered with a commit, and what happened instead.
    var failures: [String] = []
    /// Commands that were given up.
    var lost: [String] = []
  }

  private let sockets: [String]
  private let record = Mutex(Record())
  private let isOver = Mutex(false)
  private let ended = DispatchSemaphore(value: 0)

  /// Begins with the node at `place`.
  init(_ nodes: [Node], from place: Int) {
    sockets = nodes.map { $0.data + "/agent.sock" }
    // A thread: what blocks must not hold up the tests' tasks.
    Thread.detachNewThread { [self] in
      run(from: place)
      ended.signal()
    }
  }

  var seen: Record { record.withLock { $0 } }

  /// Lets it finish what it has in hand.
  func finish() async -> Record {
    isOver.withLock { $0 = true }
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async { [self] in
        ended.wait()
        continuation.resume()
      }
    }
    return seen
  }

  private func run(from start: Int) {
    var place = start
    var connection: Connection?
    while !isOver.withLock({ $0 }) {
      let wish = Wish()
      let limit = Date(timeIntervalSinceNow: 60)
      while true {
        if connection?.isUsable != true { connection = Connection(sockets[place]) }
        guard let open = connection else {
          // Nobody listens there: nothing was sent.
          place = (place + 1) % sockets.count
          usleep(5_000)
          if Date() > limit { break }
          continue
        }
        let answer = open.post("/v1/commands", wish.body)
        if case .success(let body) = answer, Wish.isCommitted(body) {
          record.withLock { $0.acknowledged.append(wish.id) }
          break
        }
        record.withLock { $0.failures.append("\(sockets[place]): \(answer)") }
        connection = nil
        place = (place + 1) % sockets.count
        if Date() > limit { break }
      }
      if Date() > limit { record.withLock { $0.lost.append(wish.id) } }
    }
  }
}

/// A token to be issued, as a request in Protobuf.
private struct Wish {
  let id: String
  let body: [UInt8]

  init() {
    let now = UInt64(Date().timeIntervalSince1970 * 1000)
    let (high, low) = (now << 16 | UInt64.random(in: 0...0xffff), UInt64.random(in: 0...UInt64.max))
    id = [high, low].map {
      String(repeating: "0", count: 16 - String($0, radix: 16).count)
        + String($0, radix: 16)
    }.joined()
    var secret = Fields()
    secret.bytes(1, (0..<32).map { _ in UInt8.random(in: 0...255) })
    secret.bytes(2, [2])
    var token = Fields()
    token.number(1, UInt64.random(in: 1...0xff_ffff_ffff))
    token.bytes(2, secret.content)
    token.number(3, 1)
    token.number(4, now + 3_600_000)
    var command = Fields()
    command.bytes(1, token.content)
    var request = Fields()
    request.fixed(1, high)
    request.fixed(2, low)
    request.bytes(5, command.content)
    body = request.content
  }

  /// Whether the outcome is a commit: an answer (4) whose first field is that (2).
  static func isCommitted(_ body: [UInt8]) -> Bool {
    guard body.count > 2, body[0] == 4 << 3 | 2 else { return false }
    // The answer's own fields follow its length, and its id may come first.
    var rest = body.dropFirst(2)
    if rest.first == 1 << 3 {
      rest = rest.dropFirst()
      while let byte = rest.popFirst(), byte >= 0x80 {}
    }
    return rest.first == 2 << 3 | 2
  }

  /// Protobuf's wire format.
  private struct Fields {
    private(set) var content: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
      var rest = value
      while rest >= 0x80 {
        content.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      content.append(UInt8(rest))
    }

    mutating func number(_ field: UInt64, _ value: UInt64) {
      varint(field << 3)
      varint(value)
    }

    mutating func fixed(_ field: UInt64, _ value: UInt64) {
      varint(field << 3 | 1)
      withUnsafeBytes(of: value.littleEndian) { content += $0 }
    }

    mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
      varint(field << 3 | 2)
      varint(UInt64(value.count))
      content += value
    }
  }
}

/// A connection to a socket in the file system, for one request after another.
private final class Connection {
  enum Failure: Error {
    case closed(String)
    case status(String)
  }

  private let descriptor: Int32
  private var lastAnswerCloses = false

  /// Nil if nobody listens there.
  init?(_ path: String) {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    var patience = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let connected = withUnsafePointer(to: &target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Whether another request may be sent: the other side has not said that it closes.
  var isUsable: Bool {
    guard !lastAnswerCloses else { return false }
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) < 0
      && errno == EAGAIN
  }

  /// The body of the answer.
  func post(_ path: String, _ body: [UInt8]) -> Result<[UInt8], Failure> {
    let head =
      "POST \(path) HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
      + "content-length: \(body.count)\r\n\r\n"
    var rest = (Array(head.utf8) + body)[...]
    while !rest.isEmpty {
      let count = send(descriptor, Array(rest), rest.count, Int32(MSG_NOSIGNAL))
      guard count > 0 else { return .failure(.closed("while it was asked: \(errno)")) }
      rest = rest.dropFirst(count)
    }
    var bytes: [UInt8] = []
    while true {
      var part = [UInt8](repeating: 0, count: 4096)
      let count = recv(descriptor, &part, part.count, 0)
      guard count > 0 else {
        return .failure(.closed("after \(bytes.count) bytes of an answer: \(count) \(errno)"))
      }
      bytes += part[..<count]
      if let answer = parse(bytes) { return answer }
    }
  }

  private func parse(_ bytes: [UInt8]) -> Result<[UInt8], Failure>? {
    let bare = Array("\r\n\r\n".utf8)
    guard
      let end = bytes.indices.first(where: { bytes[$0...].starts(with: bare) })
    else { return nil }
    let start = end + bare.count
    let head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
    let lines = head.components(separatedBy: "\r\n")
    guard
      let length = lines.first(where: { $0.hasPrefix("content-length:") })
        .flatMap({ Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) })
    else { return .failure(.status(head)) }
    guard bytes.count >= start + length else { return nil }
    lastAnswerCloses = lines.contains("connection: close")
    let body = Array(bytes[start..<(start + length)])
    guard lines[0].hasPrefix("http/1.1 200") else {
      return .failure(.status(lines[0] + " " + String(decoding: body, as: UTF8.self)))
    }
    return .success(body)
  }
}
