package import NIOCore
import NIOPosix
import Synchronization

/// A layer-4 proxy in front of a changing list of servers.
///
/// Each client gets the next server in turn, or the one after it when that does not accept a
/// connection; not one byte of the client has been forwarded by then, so trying again is safe. Then
/// both connections are glued: what one sends the other receives, no faster than it reads, and an
/// end of stream is passed on in its direction alone. Laws: a new list touches neither the listener
/// nor an open connection; no byte is lost or reordered; a client is closed only when no server of
/// the list accepts.
package final class TCPProxy: Sendable {
  private struct State {
    var backends: [HostPort]
    var next = 0
    var listeners: [any Channel] = []
    var connections: [ObjectIdentifier: any Channel] = [:]
    var counters = ProxyCounters()
    var isShutDown = false
  }

  private let group: any EventLoopGroup
  private let connectTimeout: TimeAmount
  private let state: Mutex<State>

  /// A proxy that listens nowhere yet.
  ///
  /// - Parameters:
  ///   - group: carries the connections.
  ///   - backends: the servers, in the order of their turns.
  ///   - connectTimeout: how long one server may take to accept.
  package init(
    group: any EventLoopGroup, backends: [HostPort] = [], connectTimeout: TimeAmount = .seconds(1)
  ) {
    self.group = group
    self.connectTimeout = connectTimeout
    state = Mutex(State(backends: backends))
  }

  /// Listens on one more address.
  ///
  /// - Parameter address: with port 0 the system chooses one.
  /// - Returns: the address with the port it has.
  /// - Throws: `TransportError`, for a port in use with the address.
  @discardableResult
  package func listen(on address: HostPort) async throws -> HostPort {
    do {
      let channel = try await ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelSettings(SocketOptions.connection())
        .childChannelOption(.autoRead, value: false)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .childChannelInitializer { [self] client in
          client.eventLoop.makeCompletedFuture { try accept(client) }
        }
        .bind(to: address).get()
      let late = state.withLock { state in
        state.listeners.append(channel)
        return state.isShutDown
      }
      if late { channel.close(promise: nil) }
      return channel.localAddress.flatMap(HostPort.init) ?? address
    } catch {
      throw TransportError(error, subject: address.description)
    }
  }

  /// The servers from now on; open connections go on, also to servers no longer named.
  package func setBackends(_ backends: [HostPort]) {
    state.withLock { state in
      guard state.backends != backends else { return }
      state.backends = backends
      state.next = 0
    }
  }

  /// What the proxy has done so far.
  package var counters: ProxyCounters { state.withLock { $0.counters } }

  /// Stops listening, closes every connection, and returns when it is closed.
  package func shutdown() async {
    let channels = state.withLock { state in
      state.isShutDown = true
      return state.listeners + Array(state.connections.values)
    }
    for channel in channels { channel.close(promise: nil) }
    for channel in channels { try? await channel.closeFuture.get() }
  }

  // MARK: One client

  private func accept(_ client: any Channel) throws {
    let turn = state.withLock { state -> [HostPort] in
      state.counters.accepted += 1
      guard !state.isShutDown, !state.backends.isEmpty else { return [] }
      let start = state.next % state.backends.count
      state.next = start + 1
      return Array(state.backends[start...] + state.backends[..<start])
    }
    guard !turn.isEmpty else {
      count { $0.withoutBackend += 1 }
      throw ChannelError.alreadyClosed
    }
    let side = ProxySide { [self] bytes in count { $0.bytesToBackends += UInt64(bytes) } }
    // Not before the client's channel is active: a server on this machine can accept within the
    // same call.
    side.onActive = { [self, client] side in
      connect(client, NIOLoopBound(side, eventLoop: client.eventLoop), to: turn[...])
    }
    track(client)
    try client.pipeline.syncOperations.addHandler(side)
  }

  private func connect(
    _ client: any Channel, _ side: NIOLoopBound<ProxySide>, to backends: ArraySlice<HostPort>
  ) {
    guard let backend = backends.first else {
      count { $0.exhausted += 1 }
      return client.close(promise: nil)
    }
    ClientBootstrap(group: client.eventLoop)
      .connectTimeout(connectTimeout)
      .channelSettings(SocketOptions.connection())
      .channelOption(.autoRead, value: false)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelInitializer { [self] server in
        server.eventLoop.makeCompletedFuture {
          let other = ProxySide { [self] bytes in count { $0.bytesToClients += UInt64(bytes) } }
          try server.pipeline.syncOperations.addHandler(other)
        }
      }
      .connect(to: backend)
      .assumeIsolated()
      .whenComplete { [self] result in
        switch result {
        case .failure:
          count { $0.connectFailures += 1 }
          connect(client, side, to: backends.dropFirst())
        case .success(let server):
          guard client.isActive else { return server.close(promise: nil) }
          guard let other = try? server.pipeline.syncOperations.handler(type: ProxySide.self) else {
            // It ended between accepting and now, and nothing was forwarded yet.
            return connect(client, side, to: backends.dropFirst())
          }
          track(server)
          count { $0.connected += 1 }
          ProxySide.glue(side.value, other)
        }
      }
  }

  private func track(_ channel: any Channel) {
    let late = state.withLock { state in
      state.connections[ObjectIdentifier(channel)] = channel
      return state.isShutDown
    }
    channel.closeFuture.whenComplete { [self] _ in
      state.withLock { $0.connections[ObjectIdentifier(channel)] = nil }
    }
    if late { channel.close(promise: nil) }
  }

  private func count(_ change: (inout ProxyCounters) -> Void) {
    state.withLock { change(&$0.counters) }
  }
}

/// What a proxy has done since it was made.
package struct ProxyCounters: Hashable, Sendable {
  /// Clients that connected.
  package var accepted: UInt64 = 0
  /// Clients that were glued to a server.
  package var connected: UInt64 = 0
  /// Attempts at a server that failed.
  package var connectFailures: UInt64 = 0
  /// Clients closed since every server of the list failed.
  package var exhausted: UInt64 = 0
  /// Clients closed since the list was empty.
  package var withoutBackend: UInt64 = 0
  package var bytesToBackends: UInt64 = 0
  package var bytesToClients: UInt64 = 0

  package init() {}
}
