// What a node may be called: what Kubernetes accepts as a Node's name, and nothing that could be
// taken for an address. Duplicate or upper-case host names are the classic silent failure of a
// join, so they are refused where they come in, with the reason.

/// The rules for node names and host names.
package enum NodeName {
  /// Why a text is not a name.
  package enum Invalid: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    /// Bytes; 253 is the limit.
    case tooLong(Int)
    /// Two dots in a row, or one at an end.
    case labelEmpty
    /// Bytes are limited to 63 for the part between two dots.
    case labelTooLong(String)
    case upperCase(Character)
    case character(Character)
    /// A part begins or ends with a hyphen.
    case hyphenAtEdge(String)
    /// `localhost` is every machine's name.
    case localhost
    /// It would be read as an address.
    case address

    package var description: String {
      switch self {
      case .empty: "it is empty"
      case .tooLong(let count): "it has \(count) bytes, 253 is the limit"
      case .labelEmpty: "a part between dots is empty"
      case .labelTooLong(let label): "\(quoted(label)) is longer than 63 bytes"
      case .upperCase(let c): "\(quoted(c)) is upper case; use lower case"
      case .character(let c): "\(quoted(c)) is not allowed; use a-z, 0-9, '-' and '.'"
      case .hyphenAtEdge(let label): "\(quoted(label)) begins or ends with a hyphen"
      case .localhost: "every machine is called localhost"
      case .address: "it looks like an IP address"
      }
    }
  }

  /// Refuses what is not an RFC 1123 label or subdomain in lower case, `localhost` and below it,
  /// and what looks like an IPv4 address.
  package static func validate(_ name: String) throws(Invalid) {
    if let why = invalidity(name) { throw why }
    if name == "localhost" || name.hasPrefix("localhost.") || name.hasSuffix(".localhost") {
      throw .localhost
    }
    let parts = name.split(separator: ".")
    if parts.count == 4, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }) {
      throw .address
    }
  }

  /// The RFC 1123 part alone, which host names obey too.
  static func invalidity(_ name: String) -> Invalid? {
    if name.isEmpty { return .empty }
    if name.utf8.count > 253 { return .tooLong(name.utf8.count) }
    for label in name.split(separator: ".", omittingEmptySubsequences: false) {
      if label.isEmpty { return .labelEmpty }
      for c in label where !isAllowed(c) {
        return c.isASCII && c.isUppercase ? .upperCase(c) : .character(c)
      }
      if label.utf8.count > 63 { return .labelTooLong(String(label)) }
      if label.hasPrefix("-") || label.hasSuffix("-") { return .hyphenAtEdge(String(label)) }
    }
    return nil
  }

  private static func isAllowed(_ c: Character) -> Bool {
    ("a"..."z").contains(c) && c.isASCII || ("0"..."9").contains(c) && c.isASCII || c == "-"
  }
}
