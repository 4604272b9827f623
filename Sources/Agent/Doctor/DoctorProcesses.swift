// What the doctor reads of processes, locks and ports under /proc: looking takes no lock and binds
// no port, so that an agent that starts in the same moment is not disturbed.

import FoundationEssentials
import Transport

#if canImport(Glibc)
  import Glibc
#endif

enum DoctorProcesses {
  /// A file under /proc, whose size is not known before it is read.
  static func text(_ path: String) -> String? {
    (try? DataDirectory("/").read(path)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// The process that holds the lock of a data dir; nil if nobody does.
  static func agent(holding path: String) -> DoctorFacts.Process? {
    guard let info = FileStatus(path), let locks = text("/proc/locks"),
      let pid = holder(ofInode: info.inode, in: locks)
    else { return nil }
    return process(pid)
  }

  /// `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF` (proc(5)); waiting ones have an arrow.
  static func holder(ofInode inode: UInt64, in locks: String) -> Int32? {
    for line in locks.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count >= 6, words[1] == "FLOCK", let pid = Int32(words[4]), pid > 0,
        words[5].split(separator: ":").last == "\(inode)"
      else { continue }
      return pid
    }
    return nil
  }

  private static func process(_ pid: Int32) -> DoctorFacts.Process {
    let owner = FileStatus("/proc/\(pid)")?.owner ?? 0
    var found = DoctorFacts.Process(pid: pid, owner: owner)
    found.descriptors = text("/proc/\(pid)/limits").flatMap(descriptors(inLimits:))
    found.unit = text("/proc/\(pid)/cgroup").flatMap(unit(inCgroup:))
    let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")
    found.isProgramReplaced = program?.hasSuffix(" (deleted)") ?? false
    return found
  }

  /// The soft limit: `Max open files            1024                 524288               files`.
  static func descriptors(inLimits text: String) -> UInt64? {
    let line = text.split(separator: "\n").first { $0.hasPrefix("Max open files") }
    guard let word = line?.split(separator: " ").dropFirst(3).first else { return nil }
    return word == "unlimited" ? .max : UInt64(word)
  }

  /// The service in `0::/system.slice/muster.service`; a session's scope is none.
  static func unit(inCgroup text: String) -> String? {
    text.split(whereSeparator: { $0 == "/" || $0 == "\n" }).map(String.init)
      .first { $0.hasSuffix(".service") && !$0.hasPrefix("user@") }
  }

  /// All TCP ports that somebody listens on; whose they are, as far as that may be seen.
  static func listeners() -> [DoctorFacts.Listener] {
    var byInode: [(inode: String, listener: DoctorFacts.Listener)] = []
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
      byInode += parse(text(path) ?? "")
    }
    let owners = owners(of: Set(byInode.map(\.inode)))
    return byInode.map { inode, listener in
      var listener = listener
      listener.pid = owners[inode]
      listener.program = listener.pid.flatMap { pid in
        text("/proc/\(pid)/comm").map { $0.filter { !$0.isNewline } }
      }
      return listener
    }
  }

  /// Lines of /proc/net/tcp whose state is 0A, listening.
  static func parse(_ table: String) -> [(inode: String, listener: DoctorFacts.Listener)] {
    table.split(separator: "\n").dropFirst().compactMap { line in
      let words = line.split(separator: " ")
      guard words.count > 9, words[3] == "0A" else { return nil }
      let local = words[1].split(separator: ":")
      guard local.count == 2, let port = Int(local[1], radix: 16), let host = host(local[0]) else {
        return nil
      }
      return (String(words[9]), DoctorFacts.Listener(host: host, port: port))
    }
  }

  /// Words of 32 bits, each as this machine (little-endian, as Swift's on Linux are) has it.
  private static func host(_ hex: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = hex
    while !rest.isEmpty {
      guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
      for shift in stride(from: 0, through: 24, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(shift)))
      }
      rest = rest.dropFirst(8)
    }
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    guard bytes.count == 16 else { return nil }
    if bytes.allSatisfy({ $0 == 0 }) { return "::" }
    if bytes.dropLast().allSatisfy({ $0 == 0 }), bytes[15] == 1 { return "::1" }
    if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 255, bytes[11] == 255 {
      return bytes.suffix(4).map(String.init).joined(separator: ".")
    }
    return stride(from: 0, to: 16, by: 2).map {
      String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
    }.joined(separator: ":")
  }

  /// By the inode of a socket, the process that has it open; only those that may be looked into.
  private static func owners(of inodes: Set<String>) -> [String: Int32] {
    var found: [String: Int32] = [:]
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    for pid in names.compactMap({ Int32($0) }) {
      let folder = "/proc/\(pid)/fd"
      for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
        let path = "\(folder)/\(name)"
        guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path),
          link.hasPrefix("socket:[")
        else { continue }
        let inode = String(link.dropFirst(8).dropLast())
        if inodes.contains(inode) { found[inode] = pid }
      }
      if found.count == inodes.count { break }
    }
    return found
  }
}
