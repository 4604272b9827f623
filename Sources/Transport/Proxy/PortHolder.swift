// Who holds a port: /proc says which socket listens there, and each process which sockets it has.

import FoundationEssentials
import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The process that listens on an address of this machine.
enum PortHolder {
  /// `process 812 (nginx)`; nil where it cannot be found, as without rights to other processes.
  static func find(_ address: SocketAddress) -> String? {
    guard let port = address.port, let names = names(of: address) else { return nil }
    let inodes = Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listening($0, names, port) })
    guard !inodes.isEmpty else { return nil }
    let files = FileManager.default
    for process in (try? files.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let number = Int(process) else { continue }
      let folder = "/proc/\(process)/fd"
      for file in (try? files.contentsOfDirectory(atPath: folder)) ?? [] {
        guard let target = try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(file)"),
          inodes.contains(target)
        else { continue }
        let name = text("/proc/\(process)/comm")
        return "process \(number) (\(name.prefix { $0 != "\n" }))"
      }
    }
    return nil
  }

  /// How the tables of /proc write the address, and those that are in its way: all addresses.
  private static func names(of address: SocketAddress) -> Set<String>? {
    guard let text = address.ipAddress else { return nil }
    var names: Set<String> = [String(repeating: "0", count: 8), String(repeating: "0", count: 32)]
    if case .v4 = address {
      names.insert(text.split(separator: ".").reversed().map { hex($0) }.joined())
    }
    return names
  }

  private static func hex(_ part: Substring) -> String {
    let digits = String(UInt8(part) ?? 0, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
  }

  /// The sockets in state LISTEN there, as `socket:[INODE]`. Of an IPv6 address the port alone is
  /// compared: two servers on one port are rare, and the table's spelling is the machine's.
  private static func listening(_ table: String, _ names: Set<String>, _ port: Int) -> [String] {
    text(table).split(separator: "\n").dropFirst().compactMap { line in
      let words = line.split(separator: " ")
      guard words.count > 9, words[3] == "0A", let colon = words[1].lastIndex(of: ":"),
        Int(words[1][words[1].index(after: colon)...], radix: 16) == port
      else { return nil }
      let host = String(words[1][..<colon])
      guard names.contains(host) || names.count == 2 && host.count == 32 else { return nil }
      return "socket:[\(words[9])]"
    }
  }

  /// A file of /proc, which comes in parts of a page.
  private static func text(_ file: String) -> String {
    let handle = open(file, O_RDONLY | O_CLOEXEC)
    guard handle >= 0 else { return "" }
    defer { close(handle) }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(handle, &chunk, chunk.count)
      guard count > 0 else { return String(decoding: out, as: UTF8.self) }
      out += chunk[..<count]
    }
  }
}
