package import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The mutual-TLS links between the members of the control plane.
///
/// Every node listens, and dials every peer it is told about; frames to a peer travel on the
/// connection that this node dialled, its answers on the one that the peer dialled. So each ordered
/// pair has exactly one connection, no tie-break is needed, and a lost connection is known to both
/// ends at once. All state lives on one event loop; only the outgoing queues are shared with
/// callers, behind one lock, and a burst of sends costs one hop and one flush. Links never resend:
/// what was queued on a connection that broke is gone, and the protocol above repeats it. Laws:
/// frames of one connection arrive whole and in order, and none arrives from a connection that was
/// replaced; nothing is read from a stranger but one small greeting; memory per peer is bounded; a
/// key is judged anew on every connection.
package final class PeerLinks: Sendable {
  private let loop: any EventLoop
  private let table: NIOLoopBoundBox<LinkTable>
  private let shared: LinkShared

  /// Links that dial nobody and listen nowhere yet.
  ///
  /// - Parameters:
  ///   - identity: this node's key and certificate.
  ///   - group: one of its event loops carries all links.
  ///   - limits: the bounds.
  ///   - random: for the jitter between redials, and nothing else.
  ///   - greeting: the bytes this node opens every connection with, asked for anew for each; not
  ///     empty.
  ///   - admit: judges a peer's key (SHA-256 of its SubjectPublicKeyInfo) and greeting, on both
  ///     sides.
  ///   - onEvent: what happened. All three closures are called on the event loop and must be quick.
  /// - Throws: what the TLS library says about the identity.
  package init(
    identity: NodeIdentity, group: any EventLoopGroup, limits: LinkLimits = LinkLimits(),
    random: any RandomNumberGenerator & Sendable,
    greeting: @escaping @Sendable () -> [UInt8],
    admit: @escaping @Sendable (_ keyDigest: [UInt8], _ greeting: [UInt8]) -> PeerAdmission,
    onEvent: @escaping @Sendable (LinkEvent) -> Void
  ) throws {
    let loop = group.next()
    let shared = LinkShared(
      limits: limits, greeting: greeting, admit: admit, onEvent: onEvent)
    let tls = try LinkTLS(identity: identity)
    self.loop = loop
    self.shared = shared
    table = .makeBoxSendingValue(
      LinkTable(loop: loop, shared: shared, tls: tls, random: random), eventLoop: loop)
  }

  /// Listens on one more address.
  ///
  /// - Parameter address: with port 0 the system chooses one.
  /// - Returns: the address with the port it has.
  /// - Throws: `TransportError`, for a port in use with the address.
  @discardableResult
  package func listen(on address: HostPort) async throws -> HostPort {
    do {
      let channel = try await loop.flatSubmit { [table] in table.value.listen(on: address) }.get()
      return channel.localAddress.flatMap(HostPort.init) ?? address
    } catch {
      throw TransportError(error, subject: address.description)
    }
  }

  /// The peers to have links to, from now on: new ones are dialled, also those whose address or key
  /// changed; those no longer named are closed once what was queued for them is sent; waiting
  /// redials happen now.
  package func setPeers(_ targets: [PeerTarget]) {
    loop.execute { [table] in table.value.setPeers(targets) }
  }

  /// Queues one frame. Without an open link or room it is dropped, which is reported as an event.
  package func send(_ frame: LinkFrame, to peer: UInt64) {
    send([frame], to: peer)
  }

  /// Queues frames that leave together, in order. What does not fit is dropped, which is reported
  /// as an event.
  package func send(_ frames: [LinkFrame], to peer: UInt64) {
    guard !frames.isEmpty else { return }
    if shared.enqueue(frames, for: peer) {
      loop.execute { [table] in table.value.flush(peer) }
    }
  }

  /// Closes the links of a peer, both ways, without sending what is queued, and does not dial it
  /// again until the next `setPeers`.
  package func close(_ peer: UInt64) {
    loop.execute { [table] in table.value.close(peer) }
  }

  /// Judges the key of every connection anew; those no longer allowed are closed once what was
  /// queued is sent, and not dialled again until the next `setPeers`.
  ///
  /// - Parameter isAllowed: told the SHA-256 of a SubjectPublicKeyInfo; called on the event loop.
  package func revalidate(_ isAllowed: @escaping @Sendable (_ keyDigest: [UInt8]) -> Bool) {
    loop.execute { [table] in table.value.revalidate(isAllowed) }
  }

  /// Stops listening and dialling, sends what is queued, closes everything, and returns when it is
  /// closed. Nothing can be started afterwards.
  package func shutdown() async {
    // The future cannot fail: every channel's end is turned into success.
    try? await loop.flatSubmit { [table] in table.value.shutdown() }.get()
  }

  /// What the links have done so far.
  package var counters: LinkCounters { shared.counters.withLock { $0 } }
}

/// What callers and the event loop share.
final class LinkShared: Sendable {
  let limits: LinkLimits
  let greeting: @Sendable () -> [UInt8]
  let admit: @Sendable ([UInt8], [UInt8]) -> PeerAdmission
  let onEvent: @Sendable (LinkEvent) -> Void
  let counters = Mutex(LinkCounters())
  /// A queue for every peer with an open outbound link, and no other.
  private let queues = Mutex<Queues>(Queues())

  private struct Queues {
    var open: [UInt64: OutboundQueue] = [:]
    /// Frames for peers without an open link, dropped and not yet reported.
    var dropped: [UInt64: Int] = [:]
  }

  init(
    limits: LinkLimits, greeting: @escaping @Sendable () -> [UInt8],
    admit: @escaping @Sendable ([UInt8], [UInt8]) -> PeerAdmission,
    onEvent: @escaping @Sendable (LinkEvent) -> Void
  ) {
    self.limits = limits
    self.greeting = greeting
    self.admit = admit
    self.onEvent = onEvent
  }

  /// Returns whether the event loop must be called.
  func enqueue(_ frames: [LinkFrame], for peer: UInt64) -> Bool {
    queues.withLock { queues in
      if queues.open[peer] != nil { return queues.open[peer]!.accept(frames) }
      let before = queues.dropped[peer, default: 0]
      queues.dropped[peer] = before + frames.count
      return before == 0
    }
  }

  func open(_ peer: UInt64) {
    queues.withLock { $0.open[peer] = OutboundQueue(limits: limits) }
  }

  /// Ends the queue and returns what still waited in it.
  func close(_ peer: UInt64) -> [LinkFrame] {
    queues.withLock { queues in
      guard var queue = queues.open.removeValue(forKey: peer) else { return [] }
      queues.dropped[peer, default: 0] += queue.takeDropped()
      return queue.take(upTo: .max)
    }
  }

  /// What to write to a peer now.
  func take(_ peer: UInt64, upTo limit: Int) -> [LinkFrame] {
    queues.withLock { $0.open[peer]?.take(upTo: limit) ?? [] }
  }

  /// Frames dropped for a peer since the last call.
  func takeDropped(_ peer: UInt64) -> Int {
    queues.withLock { queues in
      let closed = queues.dropped.removeValue(forKey: peer) ?? 0
      return closed + (queues.open[peer]?.takeDropped() ?? 0)
    }
  }

  func written(_ peer: UInt64, bytes: Int, frames: Int) {
    queues.withLock { $0.open[peer]?.written(bytes: bytes, frames: frames) }
  }

  func count(_ change: (inout LinkCounters) -> Void) {
    counters.withLock { change(&$0) }
  }

  func countClosed(_ reason: LinkCloseReason) {
    count { $0.closed[reason.label, default: 0] += 1 }
  }
}

/// The two TLS contexts of a node's links, made once.
struct LinkTLS: Sendable {
  let server: NIOSSLContext
  let client: NIOSSLContext
  let verifyClient:
    @Sendable ([NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResult>) -> Void

  init(identity: NodeIdentity) throws {
    // Whom to speak with is decided by key and greeting together, once the handshake has proved the
    // key.
    var serverTLS = try TLSSettings.server(identity: identity, clientCertificates: .required)
    serverTLS.configuration.shutdownTimeout = .seconds(1)
    var clientTLS = try TLSSettings.client(identity: identity) { _ in false }
    clientTLS.configuration.shutdownTimeout = .seconds(1)
    server = try NIOSSLContext(configuration: serverTLS.configuration)
    client = try NIOSSLContext(configuration: clientTLS.configuration)
    verifyClient = serverTLS.verify
  }

  func serverHandler() -> NIOSSLServerHandler {
    NIOSSLServerHandler(context: server, customVerificationCallback: verifyClient)
  }

  func clientHandler(expecting keyDigest: [UInt8]) throws -> NIOSSLClientHandler {
    try NIOSSLClientHandler(
      context: client, serverHostname: nil,
      customVerificationCallback: TLSSettings.pinning { $0 == keyDigest })
  }
}
