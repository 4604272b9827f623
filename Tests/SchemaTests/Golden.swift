// Golden files: the bytes as hex digits, and beside them the same as Protobuf text, which another
// implementation (protoc) reads and writes. `UPDATE_GOLDEN=1 swift test` rewrites both; a
// difference in the bytes of something that was released is a broken promise, not an update.

import Foundation
import Membership
import Schema
import Testing

struct Golden: Sendable, CustomTestStringConvertible {
  /// Below Fixtures: `events/node.joined`.
  let path: String
  /// The message in the `.proto` files.
  let message: String
  let bytes: [UInt8]

  var testDescription: String { path }

  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let protos = root.appending(path: "Sources/Schema/Protos")
  /// Done before the first file is read, whichever test that is in.
  private static let updated = Result {
    guard ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" else { return }
    for golden in all { try golden.update() }
  }

  static let all: [Golden] =
    Samples.events.map { name, event in
      Golden(
        path: "events/\(name)", message: "Envelope", bytes: Samples.envelope(event).encoded())
    }
    + Samples.requests.map {
      Golden(path: "requests/\($0.name)", message: "Request", bytes: $0.request.encoded())
    }
    + Samples.frames.map {
      Golden(path: "frames/\($0.name)", message: "Frame", bytes: $0.frame.encoded())
    }
    + [Golden(path: "frames/hello", message: "Hello", bytes: Samples.hello.encoded())]

  private func file(_ suffix: String) -> URL {
    Golden.root.appending(path: "Fixtures/\(path).\(suffix)")
  }

  /// The bytes on disk.
  func recorded() throws -> [UInt8] {
    let text = try read("hex")
    let bytes = Membership.bytes(hex: text.filter { !$0.isWhitespace })
    return try #require(bytes)
  }

  /// The text on disk.
  func recordedText() throws -> String { try read("txt") }

  private func read(_ suffix: String) throws -> String {
    try Golden.updated.get()
    return try String(contentsOf: file(suffix), encoding: .utf8)
  }

  private func update() throws {
    try FileManager.default.createDirectory(
      at: file("hex").deletingLastPathComponent(), withIntermediateDirectories: true)
    let digits = Array(hex(bytes))
    let lines = stride(from: 0, to: digits.count, by: 64).map {
      String(digits[$0..<min($0 + 64, digits.count)]) + "\n"
    }
    try Data(lines.joined().utf8).write(to: file("hex"))
    if Protoc.isInstalled {
      try Data(try Protoc.run("decode", message, input: bytes)).write(to: file("txt"))
    }
  }
}

/// The other implementation, where it is installed.
enum Protoc {
  static let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { "\($0)/protoc" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  static var isInstalled: Bool { path != nil }

  /// `protoc --decode=message` or `--encode=message`.
  static func run(_ direction: String, _ message: String, input: [UInt8]) throws -> [UInt8] {
    // By way of a file: a pipe could fill up before the other side reads.
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data(input).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(filePath: try #require(path))
    process.arguments = [
      "-I", Golden.protos.path, "--\(direction)=muster.v1.\(message)",
      "events.proto", "requests.proto", "frames.proto",
    ]
    let output = Pipe()
    process.standardInput = try FileHandle(forReadingFrom: file)
    process.standardOutput = output
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "protoc --\(direction) \(message) failed")
    return Array(bytes)
  }
}
