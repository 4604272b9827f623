import CLMDB
import Glibc
import Synchronization

/// One consistent state of the environment, as of the last commit before it began. While it lives
/// the pages it sees cannot be reused, so it must be short.
///
/// Nothing can write through it; so bytes can be lent, to a closure, without being copied.
package struct ReadTransaction: ~Copyable {
  let handle: OpaquePointer

  /// A copy of the value; nil if the key is missing.
  package func get(_ key: [UInt8], in table: Table) throws(LMDBError) -> [UInt8]? {
    try lookUp(key, table, handle)?.copy
  }

  /// Lends the value; nil if the key is missing.
  package func withValue<R>(
    _ key: [UInt8], in table: Table, _ body: (Span<UInt8>) throws -> R
  ) throws -> R? {
    guard let value = try lookUp(key, table, handle) else { return nil }
    return try body(value.buffer.span)
  }

  /// How many keys the table has.
  package func count(of table: Table) throws(LMDBError) -> Int { try entries(of: table, handle) }

  /// Lends a cursor, which stands nowhere at first.
  package func withCursor<R>(
    on table: Table, _ body: (inout Cursor) throws -> R
  ) throws -> R {
    var cursor = try Cursor(transaction: handle, table: table)
    return try body(&cursor)
  }
}

/// Changes that become durable together, or not at all.
///
/// Reads through it are copies: the next change moves the bytes underneath.
package struct WriteTransaction: ~Copyable {
  let handle: OpaquePointer

  /// A copy of the value; nil if the key is missing.
  package func get(_ key: [UInt8], in table: Table) throws(LMDBError) -> [UInt8]? {
    try lookUp(key, table, handle)?.copy
  }

  /// How many keys the table has.
  package func count(of table: Table) throws(LMDBError) -> Int { try entries(of: table, handle) }

  /// The greatest key; nil if the table is empty.
  package func lastKey(of table: Table) throws(LMDBError) -> [UInt8]? {
    var cursor = try Cursor(transaction: handle, table: table)
    return try cursor.move(to: .last) ? cursor.key : nil
  }

  /// Sets the value of a key, 1 to 511 bytes long.
  package func put(_ value: [UInt8], for key: [UInt8], in table: Table) throws(LMDBError) {
    try store(value, key, table, 0, "mdb_put")
  }

  /// Adds a key above all others, which keeps pages full.
  /// - Throws: `LMDBError`; `isKeyExists` if the key is not above the last.
  package func append(_ value: [UInt8], for key: [UInt8], to table: Table) throws(LMDBError) {
    try store(value, key, table, UInt32(MDB_APPEND), "mdb_put(MDB_APPEND)")
  }

  private func store(
    _ value: [UInt8], _ key: [UInt8], _ table: Table, _ flags: UInt32, _ name: StaticString
  ) throws(LMDBError) {
    let code = LMDB.withValue(key) { keyValue in
      LMDB.withValue(value) { mdb_put(handle, table.index, &keyValue, &$0, flags) }
    }
    try check(code, name)
  }

  /// Removes a key; whether it was there.
  @discardableResult
  package func delete(_ key: [UInt8], from table: Table) throws(LMDBError) -> Bool {
    let code = LMDB.withValue(key) { mdb_del(handle, table.index, &$0, nil) }
    if code == MDB_NOTFOUND { return false }
    try check(code, "mdb_del")
    return true
  }

  /// Removes every key from `first` to the end of the table; how many there were.
  @discardableResult
  package func deleteAll(from first: [UInt8], in table: Table) throws(LMDBError) -> Int {
    try deleteRange(from: first, through: nil, in: table)
  }

  /// Removes every key from `first` through `last` (to the end of the table if nil); how many
  /// there were.
  @discardableResult
  package func deleteRange(
    from first: [UInt8], through last: [UInt8]?, in table: Table
  ) throws(LMDBError) -> Int {
    var cursor = try Cursor(transaction: handle, table: table)
    var removed = 0
    var found = try cursor.move(to: .atOrAfter(first))
    while found {
      if let last, last.lexicographicallyPrecedes(cursor.key) { break }
      try cursor.delete()
      removed += 1
      // After a deletion "next" is the entry that took the place of the deleted one.
      found = try cursor.move(to: .next)
    }
    return removed
  }
}

private func lookUp(
  _ key: [UInt8], _ table: Table, _ handle: OpaquePointer
) throws(LMDBError) -> MDB_val? {
  var value = MDB_val()
  let code = withValue(key) { mdb_get(handle, table.index, &$0, &value) }
  if code == MDB_NOTFOUND { return nil }
  try check(code, "mdb_get")
  return value
}

private func entries(of table: Table, _ handle: OpaquePointer) throws(LMDBError) -> Int {
  var figures = MDB_stat()
  try check(mdb_stat(handle, table.index, &figures), "mdb_stat")
  return figures.ms_entries
}

extension Environment {
  /// Runs `body` on the last commit.
  /// - Throws: `LMDBError` if no read transaction can be had, else what `body` throws.
  package func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
    try enter()
    defer { leave() }
    let reader = try beginRead()
    defer { endRead(reader) }
    return try body(ReadTransaction(handle: reader.pointer))
  }

  /// Runs `body` in a write transaction and commits, or aborts if `body` throws. Waits for other
  /// writers of any thread or process.
  /// - Throws: `LMDBError` if it cannot begin or commit (then nothing was written, unless a
  ///   sync failed), else what `body` throws.
  package func write<R>(_ body: (borrowing WriteTransaction) throws -> R) throws -> R {
    let thread = pthread_self()
    precondition(
      state.withLock { $0.writer } != thread, "a write transaction inside a write transaction")
    try enter()
    defer { leave() }
    var begun: OpaquePointer?
    try check(mdb_txn_begin(handle, nil, 0, &begun), "mdb_txn_begin")
    guard let transaction = begun else {
      throw LMDBError(operation: "mdb_txn_begin", code: ENOMEM)
    }
    state.withLock { $0.writer = thread }
    let result: R
    do {
      result = try body(WriteTransaction(handle: transaction))
    } catch {
      state.withLock { $0.writer = nil }
      mdb_txn_abort(transaction)
      throw error
    }
    state.withLock { $0.writer = nil }
    try check(mdb_txn_commit(transaction), "mdb_txn_commit")
    return result
  }

  func enter() throws(LMDBError) {
    let isOpen = state.withLock { state in
      if !state.isClosed { state.active += 1 }
      return !state.isClosed
    }
    if !isOpen { throw LMDBError(operation: "mdb_txn_begin", code: EBADF) }
  }

  func leave() {
    let last = state.withLock { state in
      state.active -= 1
      return state.isClosed && state.active == 0
    }
    if last { release() }
  }

  private func beginRead() throws(LMDBError) -> Reader {
    if let idle = state.withLock({ $0.idleReaders.popLast() }) {
      if mdb_txn_renew(idle.pointer) == MDB_SUCCESS { return idle }
      mdb_txn_abort(idle.pointer)
    }
    var begun: OpaquePointer?
    var code = mdb_txn_begin(handle, nil, UInt32(MDB_RDONLY), &begun)
    if code == MDB_READERS_FULL {
      var dead: Int32 = 0
      mdb_reader_check(handle, &dead)
      code = mdb_txn_begin(handle, nil, UInt32(MDB_RDONLY), &begun)
    }
    try check(code, "mdb_txn_begin")
    guard let begun else { throw LMDBError(operation: "mdb_txn_begin", code: ENOMEM) }
    return Reader(pointer: begun)
  }

  /// Keeps a few for the next: renewing one is cheaper, and it holds on to its slot.
  private func endRead(_ reader: Reader) {
    mdb_txn_reset(reader.pointer)
    let isKept = state.withLock { state in
      guard state.idleReaders.count < 4, !state.isClosed else { return false }
      state.idleReaders.append(reader)
      return true
    }
    if !isKept { mdb_txn_abort(reader.pointer) }
  }
}
