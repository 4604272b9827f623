// What goes wrong outside the program, in words and as an exit code.

#if canImport(Glibc)
  import Glibc
#endif

/// The world failed: what was being done, to what, and what to do next.
package struct Failure: Error, Sendable, CustomStringConvertible {
  package var message: String
  /// As in the table of exit codes.
  package var exitCode: Int32

  package init(_ message: String, exitCode: Int32 = 1) {
    self.message = message
    self.exitCode = exitCode
  }

  package var description: String { message }

  /// What the operating system said of the last call.
  static func system(_ operation: String, _ subject: String) -> Failure {
    let code = errno
    return Failure("cannot \(operation) \(subject): \(String(cString: strerror(code)))")
  }
}
