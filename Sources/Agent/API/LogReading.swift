// Reading a log in this process: damage to LMDB's own pages ends it by a signal (see
// `Node/LogExamination`), which here becomes a message and an exit code.

import CLinux
import EventLog
import FoundationEssentials
import Synchronization

package enum LogReading {
  /// A file that is being written, to be removed if reading ends there; nil for none.
  package static func writes(_ path: String?) { clinux_unfinished(path ?? "") }

  private static let variable = "MUSTER_LOOK_FIRST"

  /// Whether this command was begun anew, since damage ended it: then another process looks first.
  package static let looksFirst =
    ProcessInfo.processInfo.environment[variable] != nil

  /// If a signal ends the reading before anything is printed, the command begins anew and has
  /// another process look first. To look always would take as long as the log is.
  package static func beginsAnewOnDamage() {
    if !looksFirst { clinux_anew_on_damage("\(variable)=1") }
  }

  /// Whether something was printed, so that it is too late for that.
  package static var hasPrinted: Bool { printed.load(ordering: .relaxed) }
  private static let printed = Atomic(false)

  package static func notePrinted() {
    clinux_not_anew()
    printed.store(true, ordering: .relaxed)
  }

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
