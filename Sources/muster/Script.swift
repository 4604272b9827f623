// A program of the user's that judges a state.

import Agent
import FoundationEssentials

#if canImport(Glibc)
  import Glibc
#endif

enum Script {
  /// Runs a program to its end with a text on its standard input and the index that it is about as
  /// `MUSTER_INDEX`; what it prints goes to standard error.
  /// - Returns: its exit code; 128 and the signal if one ended it.
  /// - Throws: `Failure` if it cannot be started.
  static func run(_ path: String, at index: UInt64, input: String) throws -> Int32 {
    let file = FileManager.default.temporaryDirectory.appending(
      path: "muster-bisect-\(getpid()).json")
    try Data(input.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, file.path, O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
    var child: pid_t = 0
    let name = strdup(path)
    defer { free(name) }
    setenv("MUSTER_INDEX", "\(index)", 1)
    let code = posix_spawnp(&child, path, &actions, nil, [name, nil], environ)
    guard code == 0 else {
      throw Failure("cannot run \(path): \(String(cString: strerror(code)))", exitCode: 1)
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
  }
}
