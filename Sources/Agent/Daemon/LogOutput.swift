// Log lines on standard error, as text for people or JSON for machines.

import FoundationEssentials
import Logging
import Membership

#if canImport(Glibc)
  import Glibc
#endif

enum LogOutput {
  /// - Throws: `Failure` with exit code 2 for an unknown level or format.
  static func logger(level: String?, format: String?) throws -> Logger {
    guard let level = Logger.Level(rawValue: level ?? "info") else {
      throw Failure(
        "--log-level \"\(level ?? "")\": it is one of "
          + Logger.Level.allCases.map(\.rawValue).joined(separator: ", "), exitCode: 2)
    }
    guard ["text", "json", nil].contains(format) else {
      throw Failure("--log-format \"\(format ?? "")\": it is text or json", exitCode: 2)
    }
    var logger = Logger(label: "muster") { _ in LineHandler(isJSON: format == "json") }
    logger.logLevel = level
    return logger
  }
}

struct LineHandler: LogHandler {
  let isJSON: Bool
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  init(isJSON: Bool) { self.isJSON = isJSON }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
    let time = Timestamp.now.rfc3339Milliseconds
    let text = Self.clean("\(event.message)")
    let line: String
    if isJSON {
      var object = ["time": time, "level": event.level.rawValue, "message": text]
      for (key, value) in fields { object[key] = Self.clean("\(value)") }
      line = (try? JSON.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? text
    } else {
      let rest = fields.map { " \($0.key)=\(Self.clean("\($0.value)"))" }.joined()
      line = "\(time) \(event.level.rawValue) \(text)\(rest)"
    }
    let bytes = Array((line + "\n").utf8)
    bytes.withUnsafeBytes { _ = write(2, $0.baseAddress, $0.count) }
  }

  /// Names come from elsewhere: nothing that moves a terminal's cursor gets through.
  private static func clean(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.value < 32 || (0x7f...0x9f).contains($0.value) ? " " : $0 }))
  }
}
