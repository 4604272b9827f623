import Glibc
import LMDB

/// The world failed the log: what was being done, to what, and why.
///
/// Only `diskFull` passes by itself. After `syncFailed` nobody knows whether the last write is on
/// the disk, so nothing may be acknowledged or refused any more: the process must end.
package struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Kind: String, Sendable {
    /// No space on the disk, in the quota or in the map: nothing was written, reads go on.
    case diskFull
    /// A commit or a sync failed; final for this process.
    case syncFailed
    /// What is stored contradicts itself, or is missing in part.
    case damaged
    /// A log of another cluster, node or format.
    case foreign
    case permission
    /// Open elsewhere in this process, or there already.
    case inUse
    case other
  }

  package let kind: Kind
  /// What was being done, in a verb and a noun.
  package let operation: String
  /// The path it was done to.
  package let subject: String
  /// LMDB's code (negative), an `errno` (positive), or 0 if no call failed.
  package let code: Int32
  /// What is wrong, in one phrase.
  package let text: String

  package init(
    _ kind: Kind, operation: String, subject: String, code: Int32 = 0, text: String
  ) {
    self.kind = kind
    self.operation = operation
    self.subject = subject
    self.code = code
    self.text = text
  }

  /// What the program ends with: 65 for data that is damaged or of another cluster, else 1.
  package var exitCode: Int32 {
    switch kind {
    case .damaged, .foreign: 65
    case .diskFull, .syncFailed, .permission, .inUse, .other: 1
    }
  }

  package var description: String {
    "cannot \(operation) \(subject): \(text)\(code == 0 ? "" : " (\(code))"). \(advice)"
  }

  /// What to do next, in one or two sentences.
  package var advice: String {
    switch kind {
    case .diskFull:
      "Nothing was written and reads still work: free some space there, then writing goes on."
    case .syncFailed:
      "The last write may or may not be on the disk, so this process must end: check the disk, "
        + "then start again; the log is verified at the start."
    case .damaged: Self.adviceOnDamage
    case .foreign:
      "Put the log that belongs there in its place, from the archive beside it or from a backup."
    case .permission: "Run as the user who owns it, or correct its owner and mode."
    case .inUse: "Stop what uses it, or choose another directory."
    case .other: "Correct this and try again."
    }
  }
}

extension Fault {
  /// What to do next where a log is damaged.
  package static let adviceOnDamage =
    "Keep the files as they are; muster repair, on the stopped node, says what can be done."

  /// A system call that just failed; reads `errno`.
  static func system(_ operation: String, _ subject: String) -> Fault {
    let code = errno
    return Fault(
      kind(ofErrno: code), operation: operation, subject: subject, code: code,
      text: String(cString: strerror(code)))
  }

  static func damaged(_ operation: String, _ subject: String, _ text: String) -> Fault {
    Fault(.damaged, operation: operation, subject: subject, text: text)
  }

  /// Whatever a transaction threw: a fault as it is, an LMDB error by its code.
  init(_ operation: String, _ subject: String, _ error: any Error) {
    if let fault = error as? Fault {
      self = fault
    } else if let error = error as? LMDBError {
      let kind: Kind =
        if error.isMapFull {
          .diskFull
        } else if error.isPanic {
          .syncFailed
        } else if error.isDamage || error.isNotFound {
          .damaged
        } else {
          Self.kind(ofErrno: error.code)
        }
      self.init(
        kind, operation: operation, subject: subject, code: error.code,
        text: "\(error.operation): \(error.text)")
    } else {
      self.init(.other, operation: operation, subject: subject, text: "\(error)")
    }
  }

  private static func kind(ofErrno code: Int32) -> Kind {
    switch code {
    case ENOSPC, EDQUOT, EFBIG: .diskFull
    case EACCES, EPERM, EROFS: .permission
    case EBUSY, EEXIST: .inUse
    default: .other
    }
  }
}
