// Bytes from elsewhere are believed only field by field. Whatever is wrong with them comes out as
// one of these values: a decoder never traps, and never makes up what is missing.

import SwiftProtobuf

/// Why bytes are not what they are taken for.
package enum Malformed: Error, Equatable, Sendable, CustomStringConvertible {
  /// Not Protobuf, cut short, or text that is not UTF-8.
  case notProtobuf
  /// Nothing where something must be; the field is named as in the `.proto` files.
  case missing(String)
  /// A value that the field cannot have, and why.
  case invalid(String, why: String)
  /// An event of a kind that this version does not know, by its number in the catalogue: a newer
  /// version wrote it, and nothing may be concluded without it.
  case unknownEvent(Int)

  package var description: String {
    switch self {
    case .notProtobuf: "not a Protobuf message, or cut short"
    case .missing(let field): "\(field) is missing"
    case .invalid(let field, let why): "\(field) \(why)"
    case .unknownEvent(let number):
      "event kind \(number) is not known to this version: a newer one wrote it"
    }
  }
}

/// Proto3 messages without maps: equal values have equal bytes.
func serialized(_ message: some SwiftProtobuf.Message) -> [UInt8] {
  do {
    return try message.serializedBytes()
  } catch {
    // No proto3 message has required fields; what remains is one of more than 2 GiB.
    preconditionFailure("cannot serialize \(type(of: message)): \(error)")
  }
}

extension SwiftProtobuf.Message {
  init(parsing bytes: [UInt8]) throws(Malformed) {
    do {
      try self.init(serializedBytes: bytes)
    } catch {
      throw .notProtobuf
    }
  }
}
