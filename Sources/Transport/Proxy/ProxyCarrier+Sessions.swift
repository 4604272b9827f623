// One client's way: a server is found, its first byte waited for, and both are glued.
//
// Laws: a server that fails before its first byte is replaced unseen as long as the client said
// nothing but a ClientHello; no byte is lost or reordered; an end of stream is passed on in its
// direction alone, after the last byte; a reset is passed on as a reset.

import NIOCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension ProxyCarrier {
  // MARK: Finding a server

  /// Tries servers until one accepts, or will tell later whether it does.
  func attempt(_ session: ProxySession) {
    while true {
      guard let next = shared.table.withLock({ $0.take(except: session.tried) }) else {
        if session.tried.isEmpty {
          shared.meter.withoutBackend.count()
        } else {
          shared.meter.exhausted.count()
        }
        return close(session, reset: false)
      }
      session.backend = next.id
      session.tried.append(next.id)
      switch Socket.connect(to: next.address) {
      case .now(let server):
        guard watch(server, of: session) else { return close(session, reset: true) }
        return established(session, server)
      case .soon(let server):
        guard watch(server, of: session) else { return close(session, reset: true) }
        session.phase = .connecting
        return expectConnection(session)
      case .failed(let code) where Socket.isOwn(code):
        lack("connect: " + Socket.text(code))
        return close(session, reset: true)
      case .failed(let code):
        failed(session, Self.words(code), silent: code != ECONNREFUSED)
      }
    }
  }

  /// Notes that the session's server failed, and leaves it.
  func failed(_ session: ProxySession, _ why: String, silent: Bool) {
    shared.meter.failures.count()
    if let id = session.backend { shared.failed(id, why: why, silent: silent, byCheck: false) }
    leaveServer(session, reset: true)
  }

  private static func words(_ code: Int32) -> String {
    code == ECONNREFUSED ? "refused a connection" : "cannot be reached: " + Socket.text(code)
  }

  private func established(_ session: ProxySession, _ server: Socket) {
    server.prepare()
    session.phase = .trial
    session.connectedAt = now
    session.heardAt = now
    if !session.wasConnected {
      session.wasConnected = true
      shared.meter.connected.count()
    }
    session.down = Flow()
    drop(&session.up)
    session.up.writable = true
    session.up.finished = false
    if let hello = session.hello, !hello.isEmpty {
      session.up.pending = hello.bytes
      session.up.offset = 0
      if hello.isComplete { expectFirstByte(session) }
    }
    pump(session)
  }

  // MARK: Changes

  func clientChanged(_ session: ProxySession, _ ready: Poller.Ready) {
    if ready.readable || ready.ended || ready.broken { session.up.readable = true }
    if ready.ended || ready.broken { session.up.ending = true }
    if ready.writable || ready.broken { session.down.writable = true }
    if session.phase == .connecting {
      // Gone before anything began; what it said stays in the kernel till there is a server.
      if ready.broken { close(session, reset: true) }
      return
    }
    pump(session)
  }

  func serverChanged(_ session: ProxySession, _ ready: Poller.Ready) {
    guard let server = session.server else { return }
    if session.phase == .connecting {
      let code = server.pendingError
      if code == 0, !ready.broken, ready.writable { return established(session, server) }
      failed(session, Self.words(code), silent: code != ECONNREFUSED)
      return attempt(session)
    }
    if ready.readable || ready.ended || ready.broken { session.down.readable = true }
    if ready.ended || ready.broken { session.down.ending = true }
    if ready.writable || ready.broken { session.up.writable = true }
    pump(session)
  }

  /// A whole ClientHello went unanswered: another server gets it, if one is left that is well.
  func firstByteIsLate(_ session: ProxySession) {
    guard session.hello != nil, !session.up.ended,
      shared.table.withLock({ $0.hasFit(except: session.tried) })
    else { return }
    failed(session, "accepted a client and did not answer it in time", silent: true)
    attempt(session)
  }

  // MARK: Moving bytes

  /// Moves what can be moved.
  func pump(_ session: ProxySession) {
    guard let server = session.server else { return }
    if session.phase == .trial {
      guard tryServer(session, server) else { return }
    }
    if session.hello == nil {
      finish(session, up: move(&session.up, session.client, server, shared.meter.bytesToBackends))
    }
    guard session.server == server, session.phase == .open || session.hello == nil else { return }
    let before = session.down.total
    let outcome = move(&session.down, server, session.client, shared.meter.bytesToClients)
    if session.down.total != before { session.heardAt = now }
    finish(session, down: outcome)
    if session.up.finished, session.down.finished { close(session, reset: false) }
  }

  /// Passes on the ClientHello and listens for an answer.
  /// - Returns: whether the session goes on with this server.
  private func tryServer(_ session: ProxySession, _ server: Socket) -> Bool {
    if session.hello != nil, !sendHello(session, server) {
      return lost(session, reset: true)
    }
    guard session.server != nil else { return false }
    guard session.down.readable else { return session.hello == nil }
    switch server.read(into: scratch.bytes) {
    case .bytes(let count):
      if let id = session.backend { shared.answered(id, byCheck: false) }
      session.phase = .open
      session.hello = nil
      session.heardAt = now
      session.down.total += UInt64(count)
      shared.meter.bytesToClients.count(UInt64(count))
      if write(
        &session.down, UnsafeRawBufferPointer(rebasing: scratch.bytes[..<count]), session.client)
        != .done
      {
        finish(session, down: .targetFailed)
      }
      return session.server != nil
    case .later:
      session.down.readable = false
      return session.hello == nil
    case .end: return lost(session, reset: false)
    case .failed: return lost(session, reset: true)
    }
  }

  /// Sends what the client says as long as it is a ClientHello, and keeps it.
  /// - Returns: false if the server does not take it.
  private func sendHello(_ session: ProxySession, _ server: Socket) -> Bool {
    while true {
      switch flush(&session.up, server) {
      case .done: break
      case .later: return true
      case .failed: return false
      }
      if session.up.ended {
        if !session.up.finished { server.endOutput() }
        session.up.finished = true
        return true
      }
      guard session.up.readable else { return true }
      switch session.client.read(into: scratch.bytes) {
      case .bytes(let count):
        let bytes = UnsafeRawBufferPointer(rebasing: scratch.bytes[..<count])
        shared.meter.bytesToBackends.count(UInt64(count))
        if count < scratch.bytes.count, !session.up.ending { session.up.readable = false }
        if session.hello?.append(bytes) != true { session.hello = nil }
        if session.hello?.isComplete == true { expectFirstByte(session) }
        switch write(&session.up, bytes, server) {
        case .failed: return false
        default: if session.hello == nil { return true }
        }
      case .later:
        session.up.readable = false
        return true
      case .end:
        session.up.ended = true
      case .failed:
        close(session, reset: true)
        return true
      }
    }
  }

  /// The server ended before it said anything.
  /// - Returns: whether the session goes on with it all the same.
  private func lost(_ session: ProxySession, reset: Bool) -> Bool {
    guard session.server != nil else { return false }
    let isEarly = now < session.connectedAt + UInt64(options.firstByteTimeout.nanoseconds)
    let isToBlame: Bool
    if let hello = session.hello, !session.up.ended {
      isToBlame = isEarly || hello.isComplete
    } else {
      isToBlame = false
    }
    if isToBlame {
      failed(session, "closed a connection before it said anything", silent: false)
      attempt(session)
      return false
    }
    // The client's own doing, or nobody's: it learns of it as if there were no proxy.
    if reset {
      close(session, reset: true)
      return false
    }
    session.hello = nil
    session.phase = .open
    return true
  }

  private func finish(_ session: ProxySession, up outcome: Outcome) {
    switch outcome {
    case .idle: break
    case .more: queue(session)
    case .sourceFailed: close(session, reset: true)
    case .targetFailed:
      // What the server said before it went away is still to be read.
      drop(&session.up)
      session.up.finished = true
      session.up.readable = false
      session.down.readable = true
    }
  }

  private func finish(_ session: ProxySession, down outcome: Outcome) {
    switch outcome {
    case .idle: break
    case .more: queue(session)
    case .sourceFailed: close(session, reset: true)
    case .targetFailed:
      close(session, reset: true)
    }
  }
}
