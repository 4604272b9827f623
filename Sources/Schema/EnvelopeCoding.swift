// An envelope is what a log entry carries. Its bytes are made once, by the leader, and are stored
// and hashed as they were received; so a decoder may pass over a field that it does not know, but
// never over an event that it does not know.

package import Membership
package import Raft
import SwiftProtobuf

extension Envelope {
  /// The bytes to put into the log: the same for equal values, on every machine.
  package func encoded() -> [UInt8] {
    var wire = WireEnvelope()
    wire.time = time.milliseconds
    wire.commandHigh = command.high
    wire.commandLow = command.low
    wire.fingerprint = fingerprint
    wire.actor = actor
    wire.reason = reason
    wire.event = WireEnvelope.OneOf_Event(event)
    return serialized(wire)
  }

  /// Reads an entry's payload.
  ///
  /// Unknown fields are passed over. Throws `Malformed`: `.unknownEvent` if a newer version wrote
  /// it, anything else if the bytes are damaged.
  package init(decoding bytes: [UInt8]) throws(Malformed) {
    if let plain = Envelope(plain: bytes) {
      self = plain
    } else {
      try self.init(general: bytes)
    }
  }

  /// Reads any envelope by the generated code.
  package init(general bytes: [UInt8]) throws(Malformed) {
    let wire = try WireEnvelope(parsing: bytes)
    guard let event = wire.event else {
      if let number = firstEventNumber(inUnknown: array(wire.unknownFields.data)) {
        throw .unknownEvent(number)
      }
      throw .missing("Envelope.event")
    }
    self.init(
      time: Timestamp(milliseconds: wire.time),
      command: CommandID(high: wire.commandHigh, low: wire.commandLow),
      fingerprint: wire.fingerprint, actor: wire.actor, reason: wire.reason,
      event: try Event(event))
  }
}

extension RecordedEvent {
  /// Reads a log entry. Throws as `Envelope.init(decoding:)` does.
  package init(decoding entry: Entry) throws(Malformed) {
    self.init(
      index: entry.index, term: entry.term, envelope: try Envelope(decoding: entry.payload))
  }
}

extension Envelope {
  /// The kind of event in an entry's payload, found without reading the event: for searches over
  /// many. Nil if the bytes are no envelope, or of a kind that is not in the catalogue.
  package static func type(encoded bytes: [UInt8]) -> EventType? {
    firstEventNumber(inUnknown: bytes).flatMap { EventType(rawValue: $0) }
  }
}

/// In `Envelope.event` a kind's field number is its number in the catalogue and this.
private let eventBase = 16

/// The first kind of event among fields that the generated code did not know.
private func firstEventNumber(inUnknown fields: [UInt8]) -> Int? {
  var rest = fields[...]
  func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
  while let tag = varint() {
    let number = Int(tag >> 3)
    if number > eventBase { return number - eventBase }
    switch tag & 7 {
    case 0: guard varint() != nil else { return nil }
    case 1: rest = rest.dropFirst(8)
    case 2:
      guard let length = varint(), length <= rest.count else { return nil }
      rest = rest.dropFirst(Int(length))
    case 5: rest = rest.dropFirst(4)
    default: return nil
    }
  }
  return nil
}
