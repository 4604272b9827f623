// The connection string that add-node prints and join takes: HOST:PORT/TOKEN/CHECK.

package import Membership

/// What an invitation says: whom to ask, with which secret, and how to know that it is the right
/// one.
package struct JoinString: Sendable, Equatable {
  package var host: Host
  package var port: UInt16
  /// 32 lower-case hex digits.
  package var token: String
  /// 32 to 64 lower-case hex digits: the beginning of the fingerprint of the certificate.
  package var check: String

  /// Reads what a person pasted: the string alone, or the whole `muster join ...` line.
  /// - Throws: `Failure` with exit code 2, saying which part is wrong and what is expected; 4 if
  ///   CHECK is missing or too short to verify anything.
  package init(parsing text: String) throws(Failure) {
    let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    let candidates = words.filter { $0.contains("/") }
    guard let string = candidates.first, candidates.count == 1 else {
      throw Self.wrong("it has no part of the form HOST:PORT/TOKEN/CHECK")
    }
    var parts = string.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if parts.count > 2, parts.last == "" { parts.removeLast() }
    guard parts.count == 2 || parts.count == 3 else {
      throw Self.wrong("it has \(parts.count) parts between slashes, 3 are expected")
    }
    do throws(Address.Invalid) {
      let address = try Address(parsing: parts[0])
      host = address.host
      port = address.port
    } catch {
      throw Self.wrong("its address is not HOST:PORT: \(error)")
    }
    token = try Self.token(parts[1])
    let digits = parts.count == 3 ? parts[2].lowercased().filter { $0 != ":" } : ""
    guard digits.utf8.allSatisfy(Self.isHex) else {
      throw Self.wrong("its CHECK has characters other than hex digits")
    }
    guard (32...64).contains(digits.utf8.count) else {
      throw Failure(
        "cannot join: the identity of \(parts[0]) cannot be verified, because the CHECK of the "
          + "connection string has \(digits.utf8.count) digits and 32 to 64 are needed; take the "
          + "whole string that add-node prints",
        exitCode: 4)
    }
    check = digits
  }

  /// A secret as it is stored and compared: 32 hex digits, lower case.
  /// - Throws: `Failure` with exit code 2, saying what is wrong.
  package static func token(_ text: String) throws(Failure) -> String {
    let token = text.lowercased()
    guard token.utf8.count == 32 else {
      throw Failure("a token has 32 hex digits, not \(token.utf8.count) characters", exitCode: 2)
    }
    guard token.utf8.allSatisfy(isHex) else {
      throw Failure("a token has 32 hex digits and nothing else", exitCode: 2)
    }
    return token
  }

  private static func isHex(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  private static func wrong(_ why: String) -> Failure {
    Failure(
      "cannot read the connection string: \(why); it is HOST:PORT/TOKEN/CHECK as add-node "
        + "prints it",
      exitCode: 2)
  }

  package var address: String { "\(host.bracketed):\(port)" }
}
