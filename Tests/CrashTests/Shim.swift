import Foundation
import Testing

/// What stands between a program and its disk: built from C once, preloaded where it is wanted.
enum Shim {
  /// The library; nil if there is no C compiler here.
  static let library: String? = {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Shim/disk.c").path
    let library = NSTemporaryDirectory() + "/muster-disk-shim-\(getpid()).so"
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = ["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
    guard (try? compiler.run()) != nil else { return nil }
    compiler.waitUntilExit()
    atexit { unlink(NSTemporaryDirectory() + "/muster-disk-shim-\(getpid()).so") }
    return compiler.terminationStatus == 0 ? library : nil
  }()

  /// The variables of a process whose disk is watched, or fails.
  /// - Parameter failure: kind (w, s or a), first, count, errno: see the source.
  static func environment(
    _ directory: TestDirectory, trace: String? = nil, failure: String? = nil
  ) throws -> [String: String] {
    var variables = ["LD_PRELOAD": try #require(library), "DISK_FOLDER": directory.log]
    variables["DISK_TRACE"] = trace
    variables["DISK_FAIL"] = failure
    return variables
  }
}
