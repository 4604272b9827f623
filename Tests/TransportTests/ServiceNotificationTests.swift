import Foundation
import Testing
import Transport

@Suite struct ServiceNotificationTests {
  /// A datagram socket bound to `name`; what is received is returned by `read`.
  private func bound(_ name: [UInt8]) throws -> Int32 {
    let handle = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(handle, $0, length) }
    }
    try #require(result == 0)
    return handle
  }

  private func read(_ handle: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = recv(handle, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  @Test("the state arrives as one datagram, at a path and at an abstract name")
  func sends() throws {
    let scratch = try Scratch()
    let path = scratch.file("notify")
    let plain = try bound(Array(path.utf8) + [0])
    #expect(ServiceNotification.send("READY=1\nSTATUS=up", socket: path))
    #expect(read(plain) == "READY=1\nSTATUS=up")
    let name = "muster-\(UUID().uuidString)"
    let abstract = try bound([0] + Array(name.utf8))
    #expect(ServiceNotification.send("STOPPING=1", socket: "@" + name))
    #expect(read(abstract) == "STOPPING=1")
    close(plain)
    close(abstract)
  }

  @Test("nobody there, no name, a relative name or one too long is no failure")
  func nobody() {
    for socket in [
      nil, "", "relative", "/nowhere/at/all", "/" + String(repeating: "x", count: 300),
    ] {
      #expect(!ServiceNotification.send("READY=1", socket: socket))
    }
  }
}
