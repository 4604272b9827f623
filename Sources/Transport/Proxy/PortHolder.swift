// Who holds a port: /proc says which socket listens there, and each process which sockets it has.

import FoundationEssentials

/// The process that listens on a port of this machine.
enum PortHolder {
  /// `process 812 (nginx)`; nil where it cannot be found, as without rights to other processes.
  static func find(port: Int) -> String? {
    let inodes = Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listening($0, port) })
    guard !inodes.isEmpty else { return nil }
    let files = FileManager.default
    for process in (try? files.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let number = Int(process) else { continue }
      let folder = "/proc/\(process)/fd"
      for file in (try? files.contentsOfDirectory(atPath: folder)) ?? [] {
        guard let target = try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(file)"),
          inodes.contains(target)
        else { continue }
        let name = (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)) ?? ""
        return "process \(number) (\(name.prefix { $0 != "\n" }))"
      }
    }
    return nil
  }

  /// The sockets in state LISTEN on that port, as `socket:[INODE]`.
  private static func listening(_ table: String, _ port: Int) -> [String] {
    guard let text = try? String(contentsOfFile: table, encoding: .utf8) else { return [] }
    return text.split(separator: "\n").dropFirst().compactMap { line in
      let words = line.split(separator: " ")
      guard words.count > 9, words[3] == "0A",
        let colon = words[1].lastIndex(of: ":"),
        Int(words[1][words[1].index(after: colon)...], radix: 16) == port
      else { return nil }
      return "socket:[\(words[9])]"
    }
  }
}
