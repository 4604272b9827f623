import NIOCore
import NIOPosix
import NIOSSL

/// What went wrong on the wire, in plain words.
///
/// NIO and BoringSSL report with error numbers, alerts and source lines. They are turned into this
/// at the door, so that nothing above needs to know their names; what they said is kept in ``raw``.
package struct TransportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What the operator needs to tell apart.
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    case refused, timedOut, unreachable, nameNotFound
    case portInUse, addressNotLocal, notPermitted, tooManyFiles
    case noCertificate, unexpectedKey, certificateRefused, notTLS, tlsVersion, tlsFailed
    case closed, failed
  }

  package var kind: Kind
  /// What was being dialled, listened on or spoken to, as `host:port`.
  package var subject: String
  /// The text of the underlying error.
  package var raw: String
  /// For a port in use: the process that has it, where that is known.
  package var holder: String?

  package init(_ kind: Kind, subject: String, raw: String = "") {
    self.kind = kind
    self.subject = subject
    self.raw = raw
  }

  /// One sentence without the underlying text.
  package var description: String {
    switch kind {
    case .refused: "cannot connect to \(subject): connection refused, nothing listens there"
    case .timedOut: "cannot connect to \(subject): no answer in time"
    case .unreachable: "cannot connect to \(subject): no route to it"
    case .nameNotFound: "cannot connect to \(subject): the name is not known"
    case .portInUse:
      "cannot listen on \(subject): the address is in use by \(holder ?? "another program")"
    case .addressNotLocal: "cannot listen on \(subject): this machine does not have that address"
    case .notPermitted: "not permitted to use \(subject)"
    case .tooManyFiles: "cannot use \(subject): too many open files"
    case .noCertificate: "\(subject) presented no certificate"
    case .unexpectedKey: "\(subject) presented a certificate of an unexpected key"
    case .certificateRefused: "\(subject) did not accept our certificate"
    case .notTLS: "\(subject) does not speak TLS"
    case .tlsVersion: "\(subject) does not speak a TLS version that is accepted here"
    case .tlsFailed: "the TLS handshake with \(subject) failed"
    case .closed: "\(subject) closed the connection"
    case .failed: "the connection to \(subject) failed"
    }
  }
}

extension TransportError {
  /// The plain words for any error of NIO, NIOSSL or the operating system.
  ///
  /// - Parameters:
  ///   - error: what was thrown; a `TransportError` is returned as it is.
  ///   - subject: the address it is about, as `host:port`.
  package init(_ error: any Error, subject: String) {
    if let known = error as? TransportError {
      self = known
      return
    }
    self.init(Self.kind(of: error), subject: subject, raw: "\(error)")
  }

  private static func kind(of error: any Error) -> Kind {
    switch error {
    case let error as NIOConnectionError:
      if let last = error.connectionErrors.last { return kind(of: last.error) }
      return .nameNotFound
    case let error as IOError: return kind(ofErrno: error.errnoCode)
    case let error as ChannelError: return kind(of: error)
    case is SocketAddressError: return .nameNotFound
    case let error as NIOSSLError: return kind(of: error)
    case let error as BoringSSLError: return kind(ofTLS: "\(error)")
    case is NIOSSLCloseTimedOutError: return .closed
    default: return .failed
    }
  }

  private static func kind(of error: ChannelError) -> Kind {
    switch error {
    case .connectTimeout: .timedOut
    case .eof, .ioOnClosedChannel, .alreadyClosed, .inputClosed, .outputClosed: .closed
    default: .failed
    }
  }

  private static func kind(of error: NIOSSLError) -> Kind {
    switch error {
    case .handshakeFailed(let inner): kind(ofTLS: "\(inner)")
    case .noCertificateToValidate: .noCertificate
    case .unableToValidateCertificate: .unexpectedKey
    case .uncleanShutdown, .writeDuringTLSShutdown, .shutdownFailed: .closed
    default: .tlsFailed
    }
  }

  private static func kind(ofErrno code: CInt) -> Kind {
    switch code {
    case ECONNREFUSED: .refused
    case ETIMEDOUT: .timedOut
    case EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN: .unreachable
    case EADDRINUSE: .portInUse
    case EADDRNOTAVAIL: .addressNotLocal
    case EACCES, EPERM: .notPermitted
    case EMFILE, ENFILE: .tooManyFiles
    case ECONNRESET, EPIPE, ENOTCONN: .closed
    default: .failed
    }
  }

  /// BoringSSL has no typed reasons, only the names in its error text.
  private static func kind(ofTLS text: String) -> Kind {
    let reasons: [(String, Kind)] = [
      ("PEER_DID_NOT_RETURN_A_CERTIFICATE", .noCertificate),
      ("CERTIFICATE_VERIFY_FAILED", .unexpectedKey),
      ("CERTIFICATE_REQUIRED", .certificateRefused),
      ("ALERT_BAD_CERTIFICATE", .certificateRefused),
      ("ALERT_UNKNOWN_CA", .certificateRefused),
      ("ALERT_CERTIFICATE_UNKNOWN", .certificateRefused),
      ("ALERT_UNSUPPORTED_CERTIFICATE", .certificateRefused),
      ("ALERT_ACCESS_DENIED", .certificateRefused),
      ("UNSUPPORTED_PROTOCOL", .tlsVersion),
      ("ALERT_PROTOCOL_VERSION", .tlsVersion),
      ("WRONG_VERSION_NUMBER", .notTLS),
      ("HTTP_REQUEST", .notTLS),
      ("HTTPS_PROXY_REQUEST", .notTLS),
      ("UNEXPECTED_RECORD", .notTLS),
      ("EOF during handshake", .closed),
    ]
    return reasons.first { text.contains($0.0) }?.1 ?? .tlsFailed
  }
}
