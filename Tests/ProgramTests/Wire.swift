// Raw bytes to a port, as no client of ours sends them.

import Foundation

enum Wire {
  struct Failed: Error {
    var what: String
    var code: Int32
  }

  /// Connects, sends what the other side takes, and closes.
  static func send(_ bytes: [UInt8], to address: String, _ port: UInt16) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_port = port.bigEndian
    inet_pton(AF_INET, address, &target.sin_addr)
    let connected = withUnsafePointer(to: &target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw Failed(what: "connect \(address):\(port)", code: errno) }
    write(bytes, descriptor)
  }

  /// The same to a socket in the file system.
  static func send(_ bytes: [UInt8], toSocket path: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let connected = withUnsafePointer(to: &target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else { throw Failed(what: "connect \(path)", code: errno) }
    write(bytes, descriptor)
  }

  private static func write(_ bytes: [UInt8], _ descriptor: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Foundation.send(descriptor, Array(rest), rest.count, Int32(MSG_NOSIGNAL))
      // The other side may have had enough.
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
