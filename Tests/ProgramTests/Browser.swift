// A real browser without a window, spoken to by its own protocol over two pipes: no port is opened
// and nothing is waited for but facts.

import Foundation
import Testing

final class Browser {
  /// What is there of Chromium; nil where it is not installed.
  static let executable: String? = ["chromium", "chromium-headless-shell", "google-chrome"].lazy
    .map { "/usr/bin/" + $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }

  struct Failed: Error, CustomStringConvertible {
    var description: String
  }

  private let process = Process()
  private let commands: FileHandle
  private let answers: FileHandle
  private var unread = Data()
  private var session: String?
  private var number = 0
  /// Exceptions, messages of the console and what the page's policy forbade.
  var complaints: [String] = []
  /// Everything that a page asked for.
  private(set) var requests: [String] = []

  /// - Parameter folder: where its profile goes.
  init(in folder: URL) throws {
    let executable = try #require(Self.executable)
    let profile = folder.appendingPathComponent("browser-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: profile, withIntermediateDirectories: true)
    let (commandPipe, answerPipe) = (profile + "/commands", profile + "/answers")
    try #require(mkfifo(commandPipe, 0o600) == 0 && mkfifo(answerPipe, 0o600) == 0)
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    // The protocol's pipes are the descriptors 3 and 4.
    process.arguments = [
      "-c", "exec 3<'\(commandPipe)' 4>'\(answerPipe)'; exec \"$@\"", "sh", executable,
      "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
      "--ignore-certificate-errors", "--user-data-dir=\(profile)", "--disable-dev-shm-usage",
      "--disable-background-networking",
    ]
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": profile]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    commands = try Self.open(commandPipe, O_WRONLY)
    answers = try Self.open(answerPipe, O_RDONLY)
    let target = try call("Target.createTarget", ["url": "about:blank"])["targetId"] as? String
    let attached = try call("Target.attachToTarget", ["targetId": target ?? "", "flatten": true])
    session = attached["sessionId"] as? String
    for domain in ["Page", "Runtime", "Log", "Network"] { _ = try call(domain + ".enable") }
  }

  private static func open(_ path: String, _ mode: Int32) throws -> FileHandle {
    let descriptor = Foundation.open(path, mode | O_CLOEXEC)
    try #require(descriptor >= 0)
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  func end() {
    session = nil
    _ = try? call("Browser.close")
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  // MARK: The protocol

  @discardableResult
  func call(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
    number += 1
    var message: [String: Any] = ["id": number, "method": method, "params": parameters]
    message["sessionId"] = session
    try commands.write(contentsOf: JSONSerialization.data(withJSONObject: message) + Data([0]))
    while true {
      let answer = try next()
      guard answer["id"] as? Int == number else {
        note(answer)
        continue
      }
      if let error = answer["error"] { throw Failed(description: "\(method): \(error)") }
      return answer["result"] as? [String: Any] ?? [:]
    }
  }

  private func next() throws -> [String: Any] {
    while true {
      if let end = unread.firstIndex(of: 0) {
        let message = Data(unread[unread.startIndex..<end])
        unread = Data(unread[(end + 1)...])
        return try JSONSerialization.jsonObject(with: message) as? [String: Any] ?? [:]
      }
      let more = answers.availableData
      guard !more.isEmpty else { throw Failed(description: "the browser ended") }
      unread += more
    }
  }

  private func note(_ event: [String: Any]) {
    let details = event["params"] as? [String: Any] ?? [:]
    switch event["method"] as? String {
    case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
      complaints.append("\(details)")
    case "Network.requestWillBeSent":
      let request = details["request"] as? [String: Any]
      requests.append(request?["url"] as? String ?? "")
    case "Page.javascriptDialogOpening": complaints.append("a dialog: \(details)")
    default: break
    }
  }

  // MARK: What a person does

  func open(_ url: String) async throws {
    try call("Page.navigate", ["url": url])
    try await eventually("the page is there") {
      try text("document.readyState + (typeof story)") == "completeobject"
    }
  }

  /// In another tab.
  func openBeside(_ url: String) throws {
    let own = session
    session = nil
    defer { session = own }
    try call("Target.createTarget", ["url": url])
  }

  /// The value of an expression on the page, as text.
  func text(_ expression: String) throws -> String {
    let answer = try call(
      "Runtime.evaluate", ["expression": "String(\(expression))", "returnByValue": true])
    if let problem = answer["exceptionDetails"] { return "\(problem)" }
    return (answer["result"] as? [String: Any])?["value"] as? String ?? ""
  }

  /// Presses a key as the page's user does.
  func press(_ key: String, code: Int) throws {
    for kind in ["keyDown", "keyUp"] {
      try call(
        "Input.dispatchKeyEvent",
        ["type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code])
    }
  }
}
