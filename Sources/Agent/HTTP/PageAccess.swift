// Who may see the page of history in a browser that has no key: whoever opens a link that the
// node's owner asked for. A link is a secret that counts once and for five minutes; it is changed
// for a session, which the browser keeps in a cookie. Both are known here by their SHA-256 alone
// and are forgotten when the agent ends.
//
// Law: a session lets its browser read, and only the cluster for which it was opened.

import Crypto

/// Links that were not opened yet, and sessions. Times are monotonic nanoseconds.
struct PageAccess: Sendable {
  /// How long a link counts, in nanoseconds.
  static let linkLife: UInt64 = 300 * 1_000_000_000
  /// How long a session lasts, in nanoseconds.
  static let sessionLife: UInt64 = 12 * 3600 * 1_000_000_000

  private struct Grant: Sendable {
    var secret: SHA256Digest
    var cluster: String
    var end: UInt64

    /// The digests are compared in a time that tells nothing of where they differ.
    func fits(_ asked: SHA256Digest, _ cluster: String, _ now: UInt64) -> Bool {
      secret == asked && self.cluster == cluster && now < end
    }
  }
  private var links: [Grant] = []
  private var sessions: [Grant] = []

  /// Makes a link count from now on. Of more than sixteen, the oldest counts no more.
  mutating func add(link secret: String, cluster: String, now: UInt64) {
    links = links.filter { now < $0.end }.suffix(15)
    links.append(Grant(secret: Self.digest(secret), cluster: cluster, end: now + Self.linkLife))
  }

  /// Changes a link for a session; the link counts no more, whether it was in time or not.
  /// - Returns: whether the session was opened.
  mutating func open(
    session: String, link secret: String, cluster: String, now: UInt64
  ) -> Bool {
    let asked = Self.digest(secret)
    guard let place = links.firstIndex(where: { $0.secret == asked }) else { return false }
    guard links.remove(at: place).fits(asked, cluster, now) else { return false }
    sessions = sessions.filter { now < $0.end }.suffix(63)
    sessions.append(
      Grant(secret: Self.digest(session), cluster: cluster, end: now + Self.sessionLife))
    return true
  }

  /// Whether that is a session that was opened and has not ended.
  func admits(session: String, cluster: String, now: UInt64) -> Bool {
    let asked = Self.digest(session)
    return sessions.contains { $0.fits(asked, cluster, now) }
  }

  private static func digest(_ secret: String) -> SHA256Digest {
    SHA256.hash(data: Array(secret.utf8))
  }
}

/// `POST /v1/ui/link` on the local socket: a link that opens the page once.
package struct PageLink: Codable, Sendable {
  /// A secret.
  package var url: String
  /// How long it counts.
  package var seconds: Int
  /// How long the session lasts that it opens.
  package var sessionSeconds: Int
  /// Hex SHA-256 of the certificate that the browser will ask about.
  package var certificate: String
}
