import Foundation
import Testing

/// What stands between an agent and its disk or its clock: built from C once, preloaded where it is
/// wanted (`CrashTests/Shim`).
enum Shim {
  /// The library for each; nil if there is no C compiler here.
  static let disk = build("disk")
  static let clock = build("clock")

  private static func build(_ name: String) -> String? {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("CrashTests/Shim/\(name).c").path
    let library = NSTemporaryDirectory() + "/muster-\(name)-shim-program-\(getpid()).so"
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = ["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
    guard (try? compiler.run()) != nil else { return nil }
    compiler.waitUntilExit()
    atexit {
      for name in ["disk", "clock"] {
        unlink(NSTemporaryDirectory() + "/muster-\(name)-shim-program-\(getpid()).so")
      }
    }
    return compiler.terminationStatus == 0 ? library : nil
  }
}
