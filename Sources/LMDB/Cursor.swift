import CLMDB
import Glibc

/// A place in a table, to walk it in order of the keys. It lives inside its transaction's closure.
package struct Cursor: ~Copyable {
  /// Where to go.
  package enum Move: Sendable {
    case first
    case last
    case next
    case previous
    /// The first key that is equal or greater.
    case atOrAfter([UInt8])
    /// The last key that is equal or less.
    case atOrBefore([UInt8])
  }

  private let handle: OpaquePointer
  private var current: (key: MDB_val, value: MDB_val)?

  init(transaction: OpaquePointer, table: Table) throws(LMDBError) {
    var opened: OpaquePointer?
    try check(mdb_cursor_open(transaction, table.index, &opened), "mdb_cursor_open")
    guard let opened else { throw LMDBError(operation: "mdb_cursor_open", code: ENOMEM) }
    handle = opened
  }

  deinit { mdb_cursor_close(handle) }

  /// Goes there; false if there is no such entry, and then the cursor stands nowhere.
  package mutating func move(to move: Move) throws(LMDBError) -> Bool {
    switch move {
    case .first: return try step(MDB_FIRST)
    case .last: return try step(MDB_LAST)
    case .next: return try step(MDB_NEXT)
    case .previous: return try step(MDB_PREV)
    case .atOrAfter(let key): return try seek(key)
    case .atOrBefore(let key):
      guard try seek(key) else { return try step(MDB_LAST) }
      return self.key == key ? true : try step(MDB_PREV)
    }
  }

  private mutating func seek(_ key: [UInt8]) throws(LMDBError) -> Bool {
    var found = MDB_val()
    var value = MDB_val()
    let code = withValue(key) { wanted in
      let code = mdb_cursor_get(handle, &wanted, &value, MDB_SET_RANGE)
      found = wanted
      return code
    }
    return try land(code, found, value)
  }

  private mutating func step(_ operation: MDB_cursor_op) throws(LMDBError) -> Bool {
    var key = MDB_val()
    var value = MDB_val()
    let code = mdb_cursor_get(handle, &key, &value, operation)
    return try land(code, key, value)
  }

  private mutating func land(
    _ code: Int32, _ key: MDB_val, _ value: MDB_val
  ) throws(LMDBError) -> Bool {
    current = nil
    if code == MDB_NOTFOUND { return false }
    try check(code, "mdb_cursor_get")
    current = (key, value)
    return true
  }

  /// A copy of the key here. The cursor must stand somewhere.
  package var key: [UInt8] { place.key.copy }
  /// A copy of the value here. The cursor must stand somewhere.
  package var value: [UInt8] { place.value.copy }

  /// Lends the key and the value here. The cursor must stand somewhere.
  package func withEntry<R>(
    _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) throws -> R
  ) rethrows -> R {
    let place = place
    return try body(place.key.buffer.span, place.value.buffer.span)
  }

  /// The same for many entries in a row: without a result of whatever type it is called faster.
  package func lendEntry(_ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Void) {
    let place = place
    body(place.key.buffer.span, place.value.buffer.span)
  }

  private var place: (key: MDB_val, value: MDB_val) {
    guard let current else { preconditionFailure("a cursor that stands nowhere has no entry") }
    return current
  }

  /// Removes the entry here, inside a write transaction; `.next` then goes to its successor.
  mutating func delete() throws(LMDBError) {
    try check(mdb_cursor_del(handle, 0), "mdb_cursor_del")
    current = nil
  }
}
