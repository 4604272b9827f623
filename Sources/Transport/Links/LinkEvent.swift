/// Who a control-plane node dials: one peer, by id, place and key.
package struct PeerTarget: Hashable, Sendable {
  package var id: UInt64
  package var address: HostPort
  /// SHA-256 of the peer's public key (SubjectPublicKeyInfo), 32 bytes.
  package var keyDigest: [UInt8]

  package init(id: UInt64, address: HostPort, keyDigest: [UInt8]) {
    self.id = id
    self.address = address
    self.keyDigest = keyDigest
  }
}

/// What the owner of the links answers to a peer's key and greeting.
package enum PeerAdmission: Sendable {
  /// It is this member.
  case accept(peer: UInt64)
  /// It may not connect; `reply` is sent back before the connection is closed, `reason` is for the
  /// log.
  case refuse(reply: [UInt8], reason: String)
}

/// One message between peers: the group or channel it belongs to, and its opaque payload.
package struct LinkFrame: Hashable, Sendable {
  /// 0...253; the two highest numbers carry the links' own greeting and refusal.
  package var group: UInt8
  /// Never empty.
  package var payload: [UInt8]

  package init(group: UInt8 = 0, payload: [UInt8]) {
    self.group = group
    self.payload = payload
  }
}

/// Which side dialled: frames to a peer travel outbound, frames from it inbound.
package enum LinkDirection: String, Hashable, Sendable {
  case inbound, outbound
}

/// What happens on the links, in the order in which it happens to each.
package enum LinkEvent: Sendable {
  /// Greetings were exchanged and both sides agree to speak.
  case opened(peer: UInt64, direction: LinkDirection)
  /// An opened link ended; what was queued on it and not yet sent is lost, unless it was closed in
  /// order.
  case closed(peer: UInt64, direction: LinkDirection, reason: LinkCloseReason)
  /// Frames of one peer, in the order in which it sent them; all that one read brought.
  case frames(peer: UInt64, [LinkFrame])
  /// The peer that was dialled does not admit us; `reply` is what it sent.
  case refused(peer: UInt64, reply: [UInt8])
  /// Frames were not queued: no open link, no room, or too large.
  case dropped(peer: UInt64, frames: Int)
  /// Dialling did not lead to an open link; `attempt` counts from 1 since the last one that held.
  case unreachable(peer: UInt64, reason: LinkCloseReason, attempt: Int)
  /// Somebody connected and was not admitted; `from` is its address.
  case turnedAway(from: String, reason: LinkCloseReason)
}

/// Why a link, or an attempt at one, ended.
package enum LinkCloseReason: Hashable, Sendable, CustomStringConvertible {
  /// The other side ended the stream.
  case endOfStream
  /// The network or TLS failed.
  case failed(TransportError)
  /// A frame of this many payload bytes is over the limit.
  case frameTooLarge(Int)
  /// A frame without payload.
  case emptyFrame
  /// A frame that may not come at this point.
  case unexpectedFrame(group: UInt8)
  /// No greeting in time.
  case noGreeting
  /// The peer dialled anew; the older connection gives way.
  case replaced
  /// The owner no longer wants it: not among the peers, or closed by name.
  case dismissed
  /// Its key is no longer allowed.
  case keyNotAllowed
  /// The owner refused the greeting.
  case refusedHere(String)
  /// The peer refused our greeting.
  case refusedThere
  /// The key is right, the member it claims to be is not the one that was dialled.
  case wrongPeer(UInt64)
  /// Too many connections have not been admitted yet.
  case tooManyStrangers
  /// The links are being shut down.
  case shutdown

  package var description: String {
    switch self {
    case .endOfStream: "the other side closed it"
    case .failed(let error): error.description
    case .frameTooLarge(let bytes): "a frame of \(bytes) bytes is over the limit"
    case .emptyFrame: "an empty frame"
    case .unexpectedFrame(let group): "a frame of group \(group) where none may come"
    case .noGreeting: "no greeting in time"
    case .replaced: "the peer connected anew"
    case .dismissed: "no longer wanted"
    case .keyNotAllowed: "its key is no longer allowed"
    case .refusedHere(let reason): "refused: \(reason)"
    case .refusedThere: "the peer refused us"
    case .wrongPeer(let id): "it says it is member \(id), which was not dialled"
    case .tooManyStrangers: "too many connections that were not admitted yet"
    case .shutdown: "shutting down"
    }
  }

  /// One word for counting.
  package var label: String {
    switch self {
    case .endOfStream: "end-of-stream"
    case .failed(let error): error.kind.rawValue
    case .frameTooLarge: "frame-too-large"
    case .emptyFrame: "empty-frame"
    case .unexpectedFrame: "unexpected-frame"
    case .noGreeting: "no-greeting"
    case .replaced: "replaced"
    case .dismissed: "dismissed"
    case .keyNotAllowed: "key-not-allowed"
    case .refusedHere: "refused-here"
    case .refusedThere: "refused-there"
    case .wrongPeer: "wrong-peer"
    case .tooManyStrangers: "too-many-strangers"
    case .shutdown: "shutdown"
    }
  }
}

/// The bounds of the links.
package struct LinkLimits: Hashable, Sendable {
  /// Largest payload of a frame, in bytes, both ways.
  package var frameBytes = 16 << 20
  /// Largest greeting or refusal, in bytes; nothing larger is read from a stranger.
  package var greetingBytes = 64 << 10
  /// Most payload bytes waiting for one peer.
  package var queueBytes = 64 << 20
  /// Most frames waiting for one peer.
  package var queueFrames = 8192
  /// Most inbound connections that are not admitted yet; further ones are closed at once.
  package var strangers = 64
  /// Milliseconds that a TCP connection may take to come about.
  package var connectMilliseconds = 1000
  /// Milliseconds from the TCP connection to the end of the greetings.
  package var greetingMilliseconds = 3000
  /// Milliseconds for which sent bytes may stay unacknowledged before the connection is given up.
  package var unacknowledgedMilliseconds = 5000
  /// Milliseconds before the second redial; doubles up to `backoffLimitMilliseconds`.
  package var backoffMilliseconds = 50
  package var backoffLimitMilliseconds = 1000

  package init() {}
}

/// What the links have done since they were made.
package struct LinkCounters: Hashable, Sendable {
  package var framesSent: UInt64 = 0
  package var framesReceived: UInt64 = 0
  package var bytesSent: UInt64 = 0
  package var bytesReceived: UInt64 = 0
  package var framesDropped: UInt64 = 0
  package var dials: UInt64 = 0
  package var opened: UInt64 = 0
  /// Every end of a connection, by `LinkCloseReason.label`.
  package var closed: [String: UInt64] = [:]

  package init() {}
}
