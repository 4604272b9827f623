// A file that is made once and never over another: what fails on the way leaves nothing behind.

import Agent

#if canImport(Glibc)
  import Glibc
#endif

/// A file being written, or standard output.
final class NewFile {
  private let path: String
  private let descriptor: Int32
  private var isDone = false

  /// - Parameter path: of no file yet; `-` for standard output.
  /// - Throws: `Failure` if it is there already or cannot be made.
  init(_ path: String) throws(Failure) {
    let opened =
      path == "-" ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    // Before there is an object: its end would remove what is there.
    guard opened >= 0 else { throw Self.failure(path) }
    self.path = path
    descriptor = opened
    if path != "-" { LogReading.writes(path) }
  }

  func write(_ bytes: [UInt8]) throws(Failure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, Array(rest), rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure(path) }
      rest = rest.dropFirst(count)
    }
  }

  /// Makes it durable; without this it is removed.
  func finish() throws(Failure) {
    if path != "-" {
      guard fsync(descriptor) == 0 else { throw Self.failure(path) }
    }
    isDone = true
  }

  deinit {
    guard path != "-" else { return }
    close(descriptor)
    LogReading.writes(nil)
    if !isDone { unlink(path) }
  }

  private static func failure(_ path: String) -> Failure {
    if errno == EEXIST {
      return Failure("cannot write \(path): it exists already; choose another name")
    }
    return Failure("cannot write \(path): \(String(cString: strerror(errno)))")
  }
}
