// Invitations without their secrets.

package import Membership

/// What `token list` shows.
package struct TokenList: Hashable, Sendable {
  package struct Row: Hashable, Sendable {
    package var id: TokenID
    package var roles: [NodeRole]
    /// Nil for any number.
    package var usesLeft: Int?
    /// Nil if it never expires.
    package var expires: Timestamp?
    package var state: Token.State
    /// Names of the nodes that it admitted, in the order of joining.
    package var admitted: [String]
    package var issuer: String
  }

  /// In the order of issue.
  package var rows: [Row]

  package init(_ cluster: Cluster, now: Timestamp) {
    rows = cluster.tokens.map { token in
      Row(
        id: token.id, roles: token.roles, usesLeft: token.remaining, expires: token.issued.expires,
        state: token.state(at: now), admitted: token.redemptions.map(\.name), issuer: token.actor)
    }
  }

  /// `ID ROLES USES-LEFT EXPIRES STATE` and who was admitted.
  /// - Parameter issuer: whether the last column says who issued it; the digests of views do not.
  package func table(issuer: Bool = true) -> TextTable {
    TextTable(
      header: ["ID", "ROLES", "USES LEFT", "EXPIRES", "STATE", "ADMITTED"]
        + (issuer ? ["ISSUER"] : []),
      rows: rows.map { row in
        [
          row.id.description, row.roles.map(\.name).joined(separator: ","),
          row.usesLeft.map(String.init) ?? "any", row.expires?.rfc3339 ?? "never", row.state.name,
          row.admitted.isEmpty ? "<none>" : row.admitted.joined(separator: ","),
        ] + (issuer ? [row.issuer] : [])
      })
  }
}

extension Token.State {
  package var name: String {
    switch self {
    case .active: "active"
    case .usedUp: "used up"
    case .expired: "expired"
    case .revoked: "revoked"
    }
  }
}
