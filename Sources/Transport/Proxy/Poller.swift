import CLinux
import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What waits for many sockets at once: epoll, and a bell that other threads ring.
final class Poller: Sendable {
  struct Ready {
    var tag: UInt64
    var readable: Bool
    var writable: Bool
    var broken: Bool
    /// The other end sends nothing more.
    var ended: Bool
  }
  /// The tag of the bell.
  static let bell = UInt64.max

  private let handle: Int32
  private let bellHandle: Int32

  init() throws(IOError) {
    handle = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard handle >= 0 else { throw IOError(errnoCode: errno, reason: "epoll_create1") }
    bellHandle = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard bellHandle >= 0 else {
      let code = errno
      close(handle)
      throw IOError(errnoCode: code, reason: "eventfd")
    }
    _ = add(bellHandle, EPOLLIN.rawValue, Self.bell)
  }

  deinit {
    close(bellHandle)
    close(handle)
  }

  /// Tells once of each change, in both directions, until the socket is closed.
  func watch(_ socket: Socket, tag: UInt64) -> Bool {
    add(
      socket.handle,
      EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | CLINUX_EPOLL_EDGE, tag)
  }

  /// Wakes one of several loops while clients wait to be accepted.
  func watch(listener: Socket, tag: UInt64) -> Bool {
    add(listener.handle, EPOLLIN.rawValue | CLINUX_EPOLL_EXCLUSIVE, tag)
  }

  func forget(_ socket: Socket) {
    var event = epoll_event()
    epoll_ctl(handle, EPOLL_CTL_DEL, socket.handle, &event)
  }

  private func add(_ socket: Int32, _ events: UInt32, _ tag: UInt64) -> Bool {
    var event = epoll_event()
    event.events = events
    event.data.u64 = tag
    return epoll_ctl(handle, EPOLL_CTL_ADD, socket, &event) == 0
  }

  /// Wakes `wait` from another thread.
  func ring() { eventfd_write(bellHandle, 1) }

  func silenceBell() {
    var count: eventfd_t = 0
    eventfd_read(bellHandle, &count)
  }

  /// Waits for sockets to become ready.
  /// - Parameters:
  ///   - milliseconds: at most so long; -1 for ever.
  ///   - events: room for what is reported, kept by the caller from one time to the next.
  /// - Returns: how many are reported.
  func wait(_ milliseconds: Int32, _ events: inout [epoll_event]) -> Int {
    max(0, Int(epoll_wait(handle, &events, Int32(events.count), milliseconds)))
  }
}

extension Poller.Ready {
  init(_ event: epoll_event) {
    let flags = event.events
    self.init(
      tag: event.data.u64, readable: flags & EPOLLIN.rawValue != 0,
      writable: flags & EPOLLOUT.rawValue != 0,
      broken: flags & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0,
      ended: flags & EPOLLRDHUP.rawValue != 0)
  }
}
