// The two streams, and how a command ends.

import Agent
import ArgumentParser

#if canImport(Glibc)
  import Glibc
#endif

enum Terminal {
  /// A reader who goes away is noticed at the next write, not by a signal.
  static func prepare() { signal(SIGPIPE, SIG_IGN) }

  /// Columns of the screen that results go to; nil if they go to no screen.
  static var width: Int? {
    guard isatty(STDOUT_FILENO) == 1 else { return nil }
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 else { return 80 }
    return Int(size.ws_col)
  }

  /// Whether results may be coloured: on a screen that can, unless NO_COLOR says no.
  static var isColoured: Bool {
    isatty(STDOUT_FILENO) == 1 && environment("NO_COLOR") == nil && environment("TERM") != nil
      && environment("TERM") != "dumb"
  }

  /// How many minutes the clock that people read here is ahead of UTC.
  static var zone: Int {
    var (now, local) = (time(nil), tm())
    return localtime_r(&now, &local) == nil ? 0 : local.tm_gmtoff / 60
  }

  /// Results.
  static func out(_ text: String) {
    LogReading.notePrinted()
    write(text, to: STDOUT_FILENO)
  }

  /// Progress and errors, a line.
  static func note(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// The last line of every command: what the agent warned of.
  static func warn() {
    if let warning = LocalClient.warning { note("warning: \(warning)") }
  }

  /// Ends the process as the table of exit codes has it, saying why on standard error.
  /// - Parameter warns: whether what the agent warned of is the last line.
  static func exit(with error: any Error, warns: Bool) -> Never {
    let code = tell(error)
    if warns { warn() }
    leave(code)
  }

  /// Says why on standard error; the exit code.
  private static func tell(_ error: any Error) -> Int32 {
    switch error {
    case let error as APIError:
      note("error: \(error.error)")
      return Int32(clamping: error.exitCode)
    case let failure as Failure:
      note("error: \(failure)")
      return failure.exitCode
    case let error as NotRunning:
      note("\(error)")
      return 1
    default:
      if let failure = Failure(history: error) {
        note("error: \(failure)")
        return failure.exitCode
      }
    }
    let code = Muster.exitCode(for: error)
    let message = Muster.fullMessage(for: error)
    if code.isSuccess {
      out(message + (message.hasSuffix("\n") ? "" : "\n"))
    } else if !message.isEmpty {
      let title = "Error: "
      note(message.hasPrefix(title) ? "error: " + message.dropFirst(title.count) : message)
    }
    return code == .validationFailure ? 2 : code.rawValue
  }

  /// Results in many small pieces, written in few large ones.
  final class Output {
    private var text = ""

    func write(_ piece: String) {
      text += piece
      if text.utf8.count > 1 << 16 { flush() }
    }

    func flush() {
      if !text.isEmpty { out(text) }
      text = ""
    }
  }

  private static func leave(_ code: Int32) -> Never { Glibc.exit(code) }

  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, Array(rest), rest.count)
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        var status = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&status, 1, -1)
      } else if errno != EINTR {
        // Nobody reads: end as a process does that the signal ends. A full disk is a failure.
        let code = errno
        if code != EPIPE, descriptor == STDOUT_FILENO {
          note("error: cannot write to standard output: \(String(cString: strerror(code)))")
        }
        leave(code == EPIPE ? 128 + SIGPIPE : 1)
      }
    }
  }
}

/// A variable of the environment, unless it is empty.
func environment(_ name: String) -> String? {
  guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
  return value
}
