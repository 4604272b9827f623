// Going over the whole log once while the node serves.
//
// A start trusts a checkpoint and looks closely at the newest entries only. Older ones are proven
// when they are read, but who knows when that is: a bit that rotted there should be known while the
// other copies are still good.

import EventLog
import NIOPosix

#if canImport(Glibc)
  import Glibc
#endif

enum LogPatrol {
  /// Microseconds of rest after 512 entries, so that a long log takes its time and no more than a
  /// part of one processor.
  private static let rest: UInt32 = 2000

  /// Begins on a thread of its own; ends with the log's end, or when the log is closed.
  /// - Parameter stopped: told if there is damage; the node must not go on.
  static func begin(_ log: EventLog, stopped: @escaping @Sendable (Failure) -> Void) {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    pool.submit { _ in
      defer { pool.shutdownGracefully { _ in } }
      do throws(Fault) {
        let found = try log.verify(.whole, progress: { _ in usleep(rest) })
        guard let damage = found.damage else { return }
        stopped(damaged(log, "data.mdb, \(damage)"))
      } catch {
        // Anything else is met by the writes and reads that matter, or the log was closed.
        if error.kind == .damaged { stopped(damaged(log, error.text)) }
      }
    }
  }

  private static func damaged(_ log: EventLog, _ problem: String) -> Failure {
    Failure(
      "this node stopped itself: the log in \(log.directory) is damaged: \(problem). Nothing was "
        + "changed; see what can be done with muster repair", exitCode: 65)
  }
}
