import Glibc

/// Signals that a thread can wait for, for a limited time if it likes: a pipe, one byte a signal.
/// (A condition variable would need a clock for its deadline.)
struct Signal: ~Copyable, Sendable {
  private let reading: Int32
  private let writing: Int32

  init() throws(Fault) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system("make", "a pipe") }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    reading = ends[0]
    writing = ends[1]
  }

  deinit {
    close(reading)
    close(writing)
  }

  func send(times count: Int = 1) {
    // A pipe that is full holds signals enough.
    let bytes = [UInt8](repeating: 0, count: count)
    _ = write(writing, bytes, count)
  }

  /// Waits until there are signals and takes up to so many; false if none came within so many
  /// milliseconds (-1: however long it takes).
  @discardableResult
  func wait(milliseconds: Int32 = -1, takes count: Int) -> Bool {
    var status = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
    guard poll(&status, 1, milliseconds) > 0 else { return false }
    var buffer = [UInt8](repeating: 0, count: count)
    // Another waiter may have been quicker: then this one looks again and waits again.
    return read(reading, &buffer, count) > 0
  }
}
