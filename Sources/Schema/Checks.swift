// Checks of single fields. Field names are literals, so that a check that succeeds allocates
// nothing.

import Membership
import SwiftProtobuf

/// What must be there.
func present<Value>(_ value: Value?, _ field: String) throws(Malformed) -> Value {
  guard let value else { throw .missing(field) }
  return value
}

/// A node's id; 0, which is also what an absent one looks like, is nobody.
func nodeID(_ value: UInt64, _ field: String) throws(Malformed) -> NodeID {
  guard value != 0 else { throw .missing(field) }
  return NodeID(value)
}

/// An index, term or incarnation: far enough from the end of the range that sums with counts
/// of anything cannot overflow.
func bounded(_ value: UInt64, _ field: String) throws(Malformed) -> UInt64 {
  guard value < 1 << 62 else { throw .invalid(field, why: "is out of range: \(value)") }
  return value
}

/// An invitation's id of 40 bits.
func tokenID(_ value: UInt64, _ field: String) throws(Malformed) -> TokenID {
  guard value < 1 << 40 else { throw .invalid(field, why: "has more than 40 bits") }
  return TokenID(value)
}

/// One of an enumeration's values; `unspecified` (0) and numbers of the future are none.
func known<Wire: SwiftProtobuf.Enum, Value: RawRepresentable<UInt8>>(
  _ wire: Wire, as type: Value.Type, _ field: String
) throws(Malformed) -> Value {
  guard let raw = UInt8(exactly: wire.rawValue), let value = Value(rawValue: raw) else {
    throw .invalid(field, why: "has the unknown value \(wire.rawValue)")
  }
  return value
}

/// Text that is printed and logged as it is: of a limited size, without control characters.
func checkText(_ text: String, upTo limit: Int, _ field: String) throws(Malformed) {
  guard text.utf8.count <= limit else {
    throw .invalid(field, why: "has \(text.utf8.count) bytes, more than \(limit)")
  }
  // C0, DEL and C1: a terminal acts on them.
  guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
  else { throw .invalid(field, why: "holds a control character") }
}
