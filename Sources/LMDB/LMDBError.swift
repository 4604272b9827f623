import CLMDB

/// A call into LMDB, or into the system on its behalf, that failed.
package struct LMDBError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was being done: the name of the C function.
  package let operation: String
  /// LMDB's own code (negative) or an `errno` (positive).
  package let code: Int32

  package init(operation: String, code: Int32) {
    self.operation = operation
    self.code = code
  }

  /// LMDB's or the system's words for `code`.
  package var text: String { String(cString: mdb_strerror(code)) }
  package var description: String { "\(operation): \(text) (\(code))" }

  /// The address space reserved at open is used up.
  package var isMapFull: Bool { code == MDB_MAP_FULL }
  /// Writing a meta page failed: this environment answers nothing but this until it is reopened.
  package var isPanic: Bool { code == MDB_PANIC }
  /// Every reader slot is taken.
  package var isReadersFull: Bool { code == MDB_READERS_FULL }
  /// The key exists, or `append` was given a key that is not above the last.
  package var isKeyExists: Bool { code == MDB_KEYEXIST }
  /// No such table.
  package var isNotFound: Bool { code == MDB_NOTFOUND }
  /// The file is not a database, of another version, or its pages contradict each other.
  package var isDamage: Bool {
    [
      MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_VERSION_MISMATCH, MDB_CURSOR_FULL,
      MDB_INCOMPATIBLE, MDB_BAD_TXN, MDB_BAD_VALSIZE,
    ].contains(code)
  }
}

/// Throws unless `code` says success.
func check(_ code: Int32, _ operation: StaticString) throws(LMDBError) {
  if code != MDB_SUCCESS {
    throw LMDBError(operation: operation.description, code: code)
  }
}
