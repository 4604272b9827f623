// Records of a packed state that are found without being read: there may be thousands of them, and
// of a state that is only looked at hardly any are ever asked for.

import Membership
import Synchronization

/// What lies in a record that begins with its id.
protocol PackedRecord: Identifiable, Sendable {
  static func read(_ input: inout PackedReader) throws(Malformed) -> Self
  /// The id as words of 8 bytes, the highest byte first.
  static func words(_ id: ID) -> [UInt64]
}

/// What was read of records, once all were asked for.
private final class Kept<Value: Sendable>: Sendable {
  private let values = Mutex<[Value?]?>(nil)

  func read(_ body: () -> [Value?]) -> [Value?] {
    values.withLock {
      let read = $0 ?? body()
      $0 = read
      return read
    }
  }
}

extension PackedReader {
  /// Reads one of the records, to its last byte.
  func record<Value: PackedRecord>(_ place: Range<Int>) throws(Malformed) -> Value {
    var input = part(place)
    let value = try Value.read(&input)
    guard input.isAtEnd else { throw input.invalid("has a record that goes on") }
    return value
  }

  func records<Value: PackedRecord>(
    _ places: [Range<Int>]
  ) throws(Malformed) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(places.count + 256)
    for place in places { values.append(try record(place)) }
    return values
  }

  func unread<Value: PackedRecord>(_ places: [Range<Int>]) -> Unread<Value> {
    let all = Kept<Value>()
    return Unread(
      count: places.count,
      position: { id in
        let words = Value.words(id)
        return places.indices.last { begins(places[$0], with: words) }
      }, read: { try? record(places[$0]) }, readAll: { all.read { places.map { try? record($0) } } }
    )
  }
}
