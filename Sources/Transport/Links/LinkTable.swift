import NIOCore
import NIOPosix

/// One peer that is dialled, and how far that has come.
final class DialledPeer {
  enum State {
    /// Not dialled until the owner names it again.
    case resting
    case waiting(Scheduled<Void>)
    /// A connection is on its way, or open.
    case connected(LinkHandler?)
  }

  let target: PeerTarget
  var state = State.resting
  /// Dials since the last link that held.
  var attempts = 0
  var openedAt: NIODeadline?

  init(_ target: PeerTarget) { self.target = target }
}

/// A generator whose type is not known; the language does not let the existential itself be one.
private struct AnyGenerator: RandomNumberGenerator {
  var base: any RandomNumberGenerator

  mutating func next() -> UInt64 { base.next() }
}

/// Every connection of a node's links: who is dialled, who has dialled, who is not admitted yet.
///
/// Confined to one event loop, hence without locks. Law: at most one inbound and one outbound link
/// per peer, and each opened link ends with exactly one `closed` event, whatever the cause.
final class LinkTable {
  let loop: any EventLoop
  let shared: LinkShared
  private let tls: LinkTLS
  private var random: AnyGenerator
  private var peers: [UInt64: DialledPeer] = [:]
  private var inbound: [UInt64: LinkHandler] = [:]
  private var strangers: [ObjectIdentifier: LinkHandler] = [:]
  private var listeners: [any Channel] = []
  /// All connections that are not closed yet, admitted or not.
  private var channels: [ObjectIdentifier: any Channel] = [:]
  private var isShutDown = false

  /// Payload bytes encoded into one write.
  static let batchBytes = 256 << 10

  init(
    loop: any EventLoop, shared: LinkShared, tls: LinkTLS,
    random: any RandomNumberGenerator & Sendable
  ) {
    self.loop = loop
    self.shared = shared
    self.tls = tls
    self.random = AnyGenerator(base: random)
  }

  private var settings: [SocketOptions.Setting] {
    SocketOptions.connection(
      unacknowledgedMilliseconds: shared.limits.unacknowledgedMilliseconds)
  }

  // MARK: Listening

  func listen(on address: HostPort) -> EventLoopFuture<any Channel> {
    if isShutDown { return loop.makeFailedFuture(ChannelError.alreadyClosed) }
    let table = NIOLoopBound(self, eventLoop: loop)
    return ServerBootstrap(group: loop, childGroup: loop)
      .serverChannelOption(.backlog, value: 128)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelSettings(settings)
      .childChannelOption(.writeBufferWaterMark, value: Self.waterMark)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try table.value.accept(channel) }
      }
      .bind(to: address)
      .map { channel in
        table.value.listeners.append(channel)
        if table.value.isShutDown { channel.close(promise: nil) }
        return channel
      }
  }

  private func accept(_ channel: any Channel) throws {
    guard !isShutDown else { throw ChannelError.alreadyClosed }
    guard strangers.count < shared.limits.strangers else {
      shared.countClosed(.tooManyStrangers)
      shared.onEvent(
        .turnedAway(from: Self.name(of: channel.remoteAddress), reason: .tooManyStrangers))
      throw ChannelError.alreadyClosed
    }
    let handler = LinkHandler(table: self, dialled: nil)
    try channel.pipeline.syncOperations.addHandlers([tls.serverHandler(), handler])
    strangers[ObjectIdentifier(handler)] = handler
  }

  private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(
    low: batchBytes, high: 4 * batchBytes)

  static func name(of address: SocketAddress?) -> String {
    address.flatMap(HostPort.init)?.description ?? "an unknown address"
  }

  // MARK: Dialling

  func setPeers(_ targets: [PeerTarget]) {
    guard !isShutDown else { return }
    let wanted = Dictionary(targets.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
    for (id, peer) in peers where wanted[id] != peer.target {
      peers[id] = nil
      rest(peer, reason: .dismissed, afterWriting: true)
    }
    for target in wanted.values {
      let peer = peers[target.id] ?? DialledPeer(target)
      peers[target.id] = peer
      switch peer.state {
      case .connected: continue
      case .waiting(let timer): timer.cancel()
      case .resting: break
      }
      peer.attempts = 0
      dial(peer)
    }
  }

  private func rest(_ peer: DialledPeer, reason: LinkCloseReason, afterWriting: Bool) {
    let state = peer.state
    peer.state = .resting
    switch state {
    case .resting: break
    case .waiting(let timer): timer.cancel()
    case .connected(let link): link?.end(reason, afterWriting: afterWriting)
    }
  }

  private func dial(_ peer: DialledPeer) {
    peer.attempts += 1
    peer.state = .connected(nil)
    shared.count { $0.dials += 1 }
    let table = NIOLoopBound(self, eventLoop: loop)
    let dialled = NIOLoopBound(peer, eventLoop: loop)
    ClientBootstrap(group: loop)
      .connectTimeout(.milliseconds(Int64(shared.limits.connectMilliseconds)))
      .channelSettings(settings)
      .channelOption(.writeBufferWaterMark, value: Self.waterMark)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try table.value.prepare(channel, for: dialled.value)
        }
      }
      .connect(to: peer.target.address)
      .assumeIsolated()
      .whenFailure { error in
        table.value.dialFailed(dialled.value, error)
      }
  }

  private func prepare(_ channel: any Channel, for peer: DialledPeer) throws {
    // A name with several addresses is tried on several channels; one that came too late is not
    // wanted.
    guard !isShutDown, peers[peer.target.id] === peer, case .connected(nil) = peer.state else {
      throw ChannelError.alreadyClosed
    }
    let handler = LinkHandler(table: self, dialled: peer)
    try channel.pipeline.syncOperations.addHandlers([
      tls.clientHandler(expecting: peer.target.keyDigest), handler,
    ])
  }

  private func dialFailed(_ peer: DialledPeer, _ error: any Error) {
    guard peers[peer.target.id] === peer, case .connected(nil) = peer.state else { return }
    let reason = LinkCloseReason.failed(
      TransportError(error, subject: peer.target.address.description))
    shared.countClosed(reason)
    shared.onEvent(
      .unreachable(peer: peer.target.id, reason: reason, attempt: peer.attempts))
    redial(peer)
  }

  /// At once after a link that held, then with a growing pause of which half is drawn at random, so
  /// that peers which lost each other at one moment do not dial in step.
  private func redial(_ peer: DialledPeer) {
    let limits = shared.limits
    if let opened = peer.openedAt {
      peer.openedAt = nil
      let held = loop.now - opened >= .milliseconds(Int64(limits.backoffLimitMilliseconds))
      if held { peer.attempts = 0 }
    }
    var pause = 0
    if peer.attempts > 0 {
      let doubled = limits.backoffMilliseconds << min(peer.attempts - 1, 16)
      let whole = max(1, min(doubled, limits.backoffLimitMilliseconds)) * 1000
      pause = whole / 2 + Int.random(in: 0...whole / 2, using: &random)
    }
    let timer = loop.assumeIsolated().scheduleTask(in: .microseconds(Int64(pause))) {
      [weak peer, weak self] in
      guard let self, let peer, case .waiting = peer.state else { return }
      self.dial(peer)
    }
    peer.state = .waiting(timer)
  }

  // MARK: What the connections report

  func began(on channel: any Channel) {
    channels[ObjectIdentifier(channel)] = channel
  }

  func connected(_ handler: LinkHandler) {
    guard let peer = handler.dialled else { return }
    guard peers[peer.target.id] === peer, case .connected(nil) = peer.state else {
      return handler.end(.dismissed)
    }
    peer.state = .connected(handler)
  }

  func gone(_ channel: any Channel) {
    channels[ObjectIdentifier(channel)] = nil
  }

  /// Both sides agreed.
  func opened(_ handler: LinkHandler, peer: UInt64) {
    shared.count { $0.opened += 1 }
    if let dialled = handler.dialled {
      dialled.openedAt = loop.now
      shared.open(peer)
      shared.onEvent(.opened(peer: peer, direction: .outbound))
    } else {
      strangers[ObjectIdentifier(handler)] = nil
      inbound[peer]?.end(.replaced)
      inbound[peer] = handler
      shared.onEvent(.opened(peer: peer, direction: .inbound))
    }
  }

  /// A connection is over; `peer` is set when it had been opened. What it still had to send is
  /// returned.
  func ended(_ handler: LinkHandler, peer: UInt64?, reason: LinkCloseReason) -> [LinkFrame] {
    shared.countClosed(reason)
    guard let dialled = handler.dialled else {
      strangers[ObjectIdentifier(handler)] = nil
      guard let peer else {
        shared.onEvent(.turnedAway(from: handler.remote, reason: reason))
        return []
      }
      if inbound[peer] === handler { inbound[peer] = nil }
      shared.onEvent(.closed(peer: peer, direction: .inbound, reason: reason))
      return []
    }
    let id = dialled.target.id
    var waiting: [LinkFrame] = []
    if peer != nil {
      waiting = shared.close(id)
      reportDropped(id)
      shared.onEvent(.closed(peer: id, direction: .outbound, reason: reason))
    } else if reason != .refusedThere && reason != .dismissed && reason != .shutdown {
      shared.onEvent(.unreachable(peer: id, reason: reason, attempt: dialled.attempts))
    }
    if peers[id] === dialled, case .connected(let link?) = dialled.state, link === handler {
      redial(dialled)
    }
    return waiting
  }

  // MARK: Sending

  func flush(_ peer: UInt64) {
    reportDropped(peer)
    guard case .connected(let link?) = peers[peer]?.state, link.peer == peer else { return }
    while true {
      let frames = shared.take(peer, upTo: link.isWritable ? Self.batchBytes : 0)
      if frames.isEmpty { return }
      link.write(frames)
    }
  }

  private func reportDropped(_ peer: UInt64) {
    let dropped = shared.takeDropped(peer)
    guard dropped > 0 else { return }
    shared.count { $0.framesDropped += UInt64(dropped) }
    shared.onEvent(.dropped(peer: peer, frames: dropped))
  }

  /// The bytes of a write are with the kernel, or lost with the connection.
  func written(_ handler: LinkHandler, bytes: Int, frames: Int) {
    // A write of an older connection has nothing to do with the queue of the present one.
    guard let id = handler.peer, case .connected(let link?) = peers[id]?.state, link === handler
    else { return }
    shared.written(id, bytes: bytes, frames: frames)
  }

  // MARK: Closing

  func close(_ peer: UInt64) {
    if let dialled = peers[peer] { rest(dialled, reason: .dismissed, afterWriting: false) }
    inbound[peer]?.end(.dismissed)
  }

  func revalidate(_ isAllowed: ([UInt8]) -> Bool) {
    for peer in peers.values where !isAllowed(peer.target.keyDigest) {
      rest(peer, reason: .keyNotAllowed, afterWriting: true)
    }
    for link in inbound.values where !isAllowed(link.keyDigest) {
      link.end(.keyNotAllowed, afterWriting: true)
    }
  }

  func shutdown() -> EventLoopFuture<Void> {
    isShutDown = true
    for listener in listeners { listener.close(promise: nil) }
    for peer in peers.values { rest(peer, reason: .shutdown, afterWriting: true) }
    for link in Array(inbound.values) + Array(strangers.values) {
      link.end(.shutdown, afterWriting: true)
    }
    peers = [:]
    // A dial that has not connected yet is closed as well; its promise fails and is ignored.
    for channel in channels.values where !channel.isActive { channel.close(promise: nil) }
    let ends = channels.values.map(\.closeFuture) + listeners.map(\.closeFuture)
    return .andAllComplete(ends, on: loop)
  }
}
