// What happens on one thread of the proxy: it waits for its sockets and moves bytes between them.
//
// Every socket is watched once, for both directions and for changes alone (edge-triggered), so a
// connection costs two registrations and no more. What is known of a socket is therefore kept
// here, in the flows of its session, and a change is never lost: it is noted before anything is
// done with it. A session belongs to one loop for life.

import CLinux
import NIOCore
import Synchronization

/// The work of a loop; it never leaves the loop's thread.
final class ProxyCarrier {
  /// For a moment that must not be missed: connecting, or waiting for a first byte.
  private struct Alarm {
    let at: UInt64
    let slot: Int
    let serial: UInt32
  }

  let shared: ProxyShared
  let poller: Poller
  private let loop: ProxyLoop
  let options: ProxyOptions
  /// What is read is written at once, so one buffer serves all.
  let scratch = ScratchBuffer(size: 128 << 10)
  private(set) var now: UInt64
  private var events = [epoll_event](repeating: epoll_event(), count: 256)
  private var sessions: [ProxySession?] = []
  private var free: [Int] = []
  private var nextSerial: UInt32 = 1
  private var listeners: [Socket] = []
  /// Clients are not accepted before this.
  private var pausedUntil: UInt64?
  private var connecting = Queue<Alarm>()
  private var waiting = Queue<Alarm>()
  /// Sessions that have more to move than is fair in one turn.
  private var unfinished: [ProxySession] = []
  /// Empty pipes for large transfers.
  var pipes: [Pipe] = []

  init(_ shared: ProxyShared, _ poller: Poller, _ loop: ProxyLoop) {
    self.shared = shared
    self.poller = poller
    self.loop = loop
    options = shared.options
    now = shared.now
  }

  // MARK: The turn

  /// Waits for something and does it.
  /// - Returns: false at the end.
  func turn(commands: () -> [ProxyLoop.Command]) -> Bool {
    var hasMail = false
    let count = poller.wait(patience, &events)
    now = shared.now
    for index in 0..<count {
      let ready = Poller.Ready(events[index])
      if ready.tag == Poller.bell { hasMail = true } else { dispatch(ready) }
    }
    let again = exchange(&unfinished, [])
    for session in again where sessions[session.slot] === session {
      session.isQueued = false
      pump(session)
    }
    soundAlarms()
    resumeAccepting()
    guard hasMail else { return true }
    poller.silenceBell()
    var mustStop = false
    for command in commands() {
      switch command {
      case .listen(let listener): listen(listener)
      case .serve(let client): if mustStop { client.close() } else { begin(client) }
      case .cut(let id, let moment): cut(id, heardBefore: moment)
      case .stop:
        stop()
        mustStop = true
      }
    }
    return !mustStop
  }

  /// Milliseconds until the next alarm; -1 for ever.
  private var patience: Int32 {
    if !unfinished.isEmpty { return 0 }
    var next = pausedUntil ?? .max
    if let alarm = connecting.first { next = min(next, alarm.at) }
    if let alarm = waiting.first { next = min(next, alarm.at) }
    if next == .max { return -1 }
    let now = shared.now
    return next <= now ? 0 : Int32(clamping: (next - now) / 1_000_000 + 1)
  }

  private func dispatch(_ ready: Poller.Ready) {
    if ready.tag & Tag.listener != 0 {
      return accept(listeners[Int(ready.tag & 0xffff)])
    }
    let slot = Int(ready.tag >> 1 & 0x7fff_ffff)
    let serial = UInt32(ready.tag >> 32) & Tag.serialMask
    guard let session = sessions[slot] else { return }
    if ready.tag & 1 == 0 {
      guard session.clientSerial == serial else { return }
      clientChanged(session, ready)
    } else {
      guard session.serverSerial == serial else { return }
      serverChanged(session, ready)
    }
  }

  private enum Tag {
    static let listener: UInt64 = 1 << 62
    static let serialMask: UInt32 = 0x3fff_ffff
  }

  private func serial() -> UInt32 {
    nextSerial = (nextSerial + 1) & Tag.serialMask
    return nextSerial
  }

  // MARK: Clients come and go

  private func listen(_ listener: Socket) {
    listeners.append(listener)
    if pausedUntil == nil { watch(listeners.count - 1) }
  }

  private func watch(_ index: Int) {
    _ = poller.watch(listener: listeners[index], tag: Tag.listener | UInt64(index))
  }

  private func accept(_ listener: Socket) {
    guard pausedUntil == nil else { return }
    for _ in 0..<32 {
      guard shared.reserve() else {
        shared.sayOnce(.full(limit: options.maxConnections), as: "full")
        return pauseAccepting(milliseconds: 20)
      }
      switch listener.accept() {
      case .success(let client?): place(client)
      case .success(nil): return shared.unreserve()
      case .failure(let error):
        shared.unreserve()
        lack("accept: " + Socket.text(error.errnoCode))
        return
      }
    }
  }

  /// The process has no descriptors, or the system no memory, for one more.
  func lack(_ text: String) {
    shared.sayOnce(.noDescriptors(text), as: "lack")
    pauseAccepting(milliseconds: 100)
  }

  private func pauseAccepting(milliseconds: UInt64) {
    if pausedUntil == nil { for listener in listeners { poller.forget(listener) } }
    pausedUntil = now + milliseconds * 1_000_000
  }

  private func resumeAccepting() {
    guard let until = pausedUntil, now >= until else { return }
    pausedUntil = nil
    for index in listeners.indices { watch(index) }
  }

  /// Keeps a client, or gives it to a loop that carries less.
  private func place(_ client: Socket) {
    shared.meter.accepted.count()
    let other = shared.loops.withLock { loops in
      loops.min { $0.load.load(ordering: .relaxed) < $1.load.load(ordering: .relaxed) }
    }
    let own = loop.load.load(ordering: .relaxed)
    if let other, other !== loop, other.load.load(ordering: .relaxed) + 1 < own {
      other.load.wrappingAdd(1, ordering: .relaxed)
      if other.send(.serve(client)) { return }
      other.load.wrappingSubtract(1, ordering: .relaxed)
    }
    loop.load.wrappingAdd(1, ordering: .relaxed)
    begin(client)
  }

  private func begin(_ client: Socket) {
    let slot = free.popLast() ?? sessions.count
    if slot == sessions.count { sessions.append(nil) }
    let session = ProxySession(slot: slot, client: client, serial: serial())
    sessions[slot] = session
    guard poller.watch(client, tag: tag(session, session.clientSerial, server: false)) else {
      return close(session, reset: true)
    }
    attempt(session)
  }

  private func tag(_ session: ProxySession, _ serial: UInt32, server: Bool) -> UInt64 {
    UInt64(serial) << 32 | UInt64(session.slot) << 1 | (server ? 1 : 0)
  }

  /// Watches a server that was just dialled.
  func watch(_ server: Socket, of session: ProxySession) -> Bool {
    session.server = server
    session.serverSerial = serial()
    return poller.watch(server, tag: tag(session, session.serverSerial, server: true))
  }

  /// Ends a session for good.
  func close(_ session: ProxySession, reset: Bool) {
    guard sessions[session.slot] === session else { return }
    sessions[session.slot] = nil
    free.append(session.slot)
    if reset { session.client.reset() } else { session.client.close() }
    leaveServer(session, reset: reset)
    drop(&session.up)
    drop(&session.down)
    loop.load.wrappingSubtract(1, ordering: .relaxed)
    shared.unreserve()
  }

  func leaveServer(_ session: ProxySession, reset: Bool) {
    if let server = session.server {
      if reset { server.reset() } else { server.close() }
      session.server = nil
      session.serverSerial = 0
    }
    if let id = session.backend {
      session.backend = nil
      shared.table.withLock { $0.release(id) }
    }
  }

  // MARK: Alarms

  /// Rings `connectTimeout` from now unless a server accepted.
  func expectConnection(_ session: ProxySession) {
    connecting.append(alarm(options.connectTimeout, session))
  }

  /// Rings `firstByteTimeout` from now unless the server said something.
  func expectFirstByte(_ session: ProxySession) {
    waiting.append(alarm(options.firstByteTimeout, session))
  }

  private func alarm(_ time: TimeAmount, _ session: ProxySession) -> Alarm {
    Alarm(
      at: now + UInt64(time.nanoseconds), slot: session.slot, serial: session.serverSerial)
  }

  private func soundAlarms() {
    while let alarm = connecting.first, alarm.at <= now {
      connecting.removeFirst()
      if let session = session(alarm), session.phase == .connecting {
        failed(session, "did not accept a connection in time", silent: true)
        attempt(session)
      }
    }
    while let alarm = waiting.first, alarm.at <= now {
      waiting.removeFirst()
      if let session = session(alarm), session.phase == .trial { firstByteIsLate(session) }
    }
  }

  private func session(_ alarm: Alarm) -> ProxySession? {
    guard let session = sessions[alarm.slot], session.serverSerial == alarm.serial else {
      return nil
    }
    return session
  }

  func queue(_ session: ProxySession) {
    guard !session.isQueued else { return }
    session.isQueued = true
    unfinished.append(session)
  }

  // MARK: Commands

  private func cut(_ id: BackendTable.ID, heardBefore moment: UInt64) {
    var count = 0
    var name: HostPort?
    for session in sessions.compactMap({ $0 })
    where session.backend == id && session.phase != .connecting && session.heardAt < moment {
      name = name ?? shared.table.withLock { $0[id]?.name }
      close(session, reset: true)
      count += 1
    }
    if let name { shared.say(.cut(name, connections: count)) }
  }

  private func stop() {
    for session in sessions.compactMap({ $0 }) { close(session, reset: false) }
    for listener in listeners { poller.forget(listener) }
    listeners = []
    for pipe in exchange(&pipes, []) { pipe.close() }
  }
}
