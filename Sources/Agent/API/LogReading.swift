// Reading a log in this process: damage to LMDB's own pages ends it by a signal (see
// `Node/LogExamination`), which here becomes a message and an exit code.

import CLinux
import EventLog

package enum LogReading {
  /// A file that is being written, to be removed if reading ends there; nil for none.
  package static func writes(_ path: String?) { clinux_unfinished(path ?? "") }

  /// From now on such a signal is told as damage of that log. Only for commands: an agent has
  /// another process look first.
  static func begins(_ path: String) {
    clinux_tell_of_damage(
      "error: cannot read \(path): data.mdb is damaged, and reading it ended this command by a "
        + "signal. \(Fault.adviceOnDamage)\n")
  }

  /// Opens a log to read it.
  /// - Throws: `Failure`, with the exit code of the fault.
  static func open(_ path: String) throws(Failure) -> EventLog {
    begins(path)
    do throws(Fault) {
      return try EventLog.open(directory: path, mode: .readOnly)
    } catch {
      throw Failure("\(error)", exitCode: error.exitCode)
    }
  }
}
