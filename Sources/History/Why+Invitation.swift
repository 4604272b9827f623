// Why an invitation admits whom it admits: by whom and when it was issued, spent and revoked.

import Membership

extension Why {
  /// - Parameter now: whether it has expired is told as of then.
  static func invitation(_ history: History, _ token: Token, now: Timestamp) throws -> Why {
    let name = "invitation \(token.id)"
    let uses =
      token.issued.uses == 0 ? "any number of uses" : counted(Int(token.issued.uses), "use")
    var verdict = [
      "\(name) was issued at \(place(token.index, token.time)) by \(token.actor), for "
        + "\(words(token.roles.map(\.name), "or")) nodes, \(uses), "
        + (token.issued.expires.map { "until \($0.rfc3339)" } ?? "without an end")
    ]
    verdict += token.redemptions.map {
      "\($0.name) joined with \(name) at \(place($0.index, $0.time))"
    }
    if token.redemptions.isEmpty { verdict.append("nobody joined with \(name)") }
    switch token.state(at: now) {
    case .revoked:
      let end = token.revocation.map {
        ": it was revoked at \(place($0.index, $0.time)) by \($0.actor)"
      }
      verdict.append("\(name) admits nobody any more" + (end ?? ""))
    case .usedUp: verdict.append("\(name) admits nobody any more: it is used up")
    case .expired:
      let end = token.issued.expires.map { ": it expired at \($0.rfc3339)" }
      verdict.append("\(name) admits nobody any more" + (end ?? ""))
    case .active:
      verdict.append(
        "\(name) admits " + (token.remaining.map { counted($0, "more node") } ?? "any node")
          + (token.issued.expires.map { ", until \($0.rfc3339)" } ?? ""))
    }
    let ends =
      [(index: Optional(token.index), words: "\(name) was issued")]
      + token.redemptions.map {
        (index: Optional($0.index), words: "\($0.name) joined with \(name)")
      }
      + [(index: token.revocation?.index, words: "\(name) was revoked")]
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 0))
  }
}
