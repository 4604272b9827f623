// A network of a test's own: one namespace a node, tied together by a bridge in one more, so that a
// node can be cut off without touching anything that the test did not make.

import Foundation
import Synchronization
import Testing

final class Namespaces {
  private static let made = Mutex(0)
  private let prefix: String
  private var names: [String] = []

  /// Nil where namespaces cannot be made: no `ip` (Debian's iproute2), or no right to.
  init?() {
    let number = Self.made.withLock { made in
      made += 1
      return made
    }
    prefix = "mut\(getpid())n\(number)x"
    guard Self.ip("netns", "add", prefix + "hub") else { return nil }
    names.append(prefix + "hub")
    guard hub("link", "add", "br0", "type", "bridge"), hub("link", "set", "br0", "up") else {
      end()
      return nil
    }
  }

  /// A namespace with that address (10.77.0.NUMBER); the words that run a program in it.
  func add(_ number: Int) throws -> (address: String, launcher: [String]) {
    let (name, link, address) = ("\(prefix)\(number)", "v\(number)", "10.77.0.\(number)")
    let isMade =
      Self.ip("netns", "add", name)
      && hub("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
      && hub("link", "set", link, "master", "br0", "up")
      && Self.ip("-n", name, "addr", "add", address + "/24", "dev", "eth0")
      && Self.ip("-n", name, "link", "set", "eth0", "up")
      && Self.ip("-n", name, "link", "set", "lo", "up")
    names.append(name)
    try #require(isMade, "the namespace \(name) could not be made")
    return (address, ["/usr/bin/env", "ip", "netns", "exec", name])
  }

  /// Nothing leaves or reaches that node any more, and nobody is told.
  func cut(_ number: Int) { _ = hub("link", "set", "v\(number)", "down") }
  func mend(_ number: Int) { _ = hub("link", "set", "v\(number)", "up") }

  /// What that node sends to the other is dropped, and nobody is told; the way back stays open.
  func mute(_ number: Int, towards other: Int) {
    _ = Self.ip("-n", "\(prefix)\(number)", "route", "add", "blackhole", "10.77.0.\(other)/32")
  }
  func unmute(_ number: Int, towards other: Int) {
    _ = Self.ip("-n", "\(prefix)\(number)", "route", "del", "blackhole", "10.77.0.\(other)/32")
  }

  /// Removes what was made.
  func end() {
    for name in names.reversed() { _ = Self.ip("netns", "del", name) }
    names = []
  }

  private func hub(_ words: String...) -> Bool { Self.ip(["-n", prefix + "hub"] + words) }
  private static func ip(_ words: String...) -> Bool { ip(words) }

  private static func ip(_ words: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["ip"] + words
    process.environment = ["PATH": "/usr/sbin:/sbin:/usr/bin:/bin"]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
