// The programs in hooks.d, in the order in which they run.
//
// They run with the agent's rights, so nobody else may have had a hand in them: folder and programs
// belong to root or to the agent's user, and neither group nor others may write them. What is
// refused for that stands in the way of what would run after it, until it is put right: nothing is
// passed over in silence.

import FoundationEssentials
import Transport

#if canImport(Glibc)
  import Glibc
#endif

struct HookFolder: Sendable {
  /// Something in the folder that has the form of a hook.
  struct Program: Equatable, Sendable {
    var name: String
    var path: String
    /// Why it is not run; nil if it is.
    var refusal: String?
  }

  /// By name, as bytes are ordered.
  private(set) var programs: [Program] = []
  /// Files that are not executable: switched off.
  private(set) var idle: [String] = []
  /// Why none of them is run; nil if they are.
  private(set) var refusal: String?

  /// More than these are no longer read.
  static let most = 256

  init(programs: [Program] = [], idle: [String] = [], refusal: String? = nil) {
    self.programs = programs
    self.idle = idle
    self.refusal = refusal
  }

  /// What is there now; nothing if there is no folder.
  init(_ directory: DataDirectory) {
    let folder = directory.hooks
    guard let info = FileStatus(folder) else { return }
    guard info.kind == .folder else {
      refusal = "\(folder) is not a folder (symbolic links are not followed)"
      return
    }
    if let flaw = Self.flaw(info, folder) {
      refusal = flaw
      return
    }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      refusal = "\(folder) cannot be read: \(error)"
      return
    }
    let visible = names.filter { !$0.hasPrefix(".") && !$0.hasSuffix("~") }
    guard visible.count <= Self.most else {
      refusal = "\(folder) holds \(visible.count) files, more than \(Self.most)"
      return
    }
    for name in visible.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let path = "\(folder)/\(name)"
      // A link to a program is followed: what counts is who may write what runs.
      guard let file = FileStatus(path, followingLinks: true), file.kind == .file else { continue }
      guard file.mode & 0o111 != 0 else {
        idle.append(name)
        continue
      }
      let isPlain = name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }
      programs.append(
        Program(
          name: isPlain ? name : "(unprintable)", path: path,
          refusal: isPlain
            ? Self.flaw(file, path) : "a hook's name has printable ASCII characters only"))
    }
  }

  /// Whether there is such a folder at all.
  static func exists(_ directory: DataDirectory) -> Bool { directory.exists(directory.hooks) }

  /// Why what others may have written is not run; nil if they may not.
  private static func flaw(_ info: FileStatus, _ path: String) -> String? {
    guard info.owner == 0 || info.owner == geteuid() else {
      return "\(path) belongs to uid \(info.owner); run: chown \(geteuid()) \(path)"
    }
    guard info.mode & 0o022 == 0 else {
      let mode = String(info.mode & 0o777, radix: 8)
      return "\(path) may be written by others (mode \(mode)); run: chmod go-w \(path)"
    }
    return nil
  }
}
