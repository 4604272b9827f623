import CLMDB
import Glibc
import Synchronization

/// One LMDB environment: a directory with `data.mdb` and `lock.mdb`, mapped into memory.
///
/// The flags are `MDB_NOTLS` and nothing else: every commit is synced before it returns, and a
/// read transaction belongs to no thread. Transactions are synchronous closures over `~Copyable`
/// values that cannot escape, because a write transaction that changes its thread leaves LMDB's
/// mutex locked for ever. Three things LMDB would let happen, and this type does not: opening a
/// directory twice in one process (it breaks the file locks), a write inside a write (deadlock),
/// and closing under a running transaction (the last one closes instead).
package final class Environment: Sendable {
  /// How to open.
  package struct Options: Sendable {
    /// Only read transactions; for another process beside the one that writes.
    package var isReadOnly: Bool
    /// Address space to reserve, in bytes: the ceiling of the file, not an allocation.
    package var mapSize: Int
    /// Down to this many bytes `mapSize` is halved as long as the system refuses to reserve it.
    package var smallestMapSize: Int
    /// Read transactions at once, of all processes; 126 fill a lock file of 8 KiB.
    package var maxReaders: Int
    /// Named tables.
    package var maxTables: Int

    package init(
      isReadOnly: Bool = false, mapSize: Int = 16 << 30, smallestMapSize: Int = 64 << 20,
      maxReaders: Int = 126, maxTables: Int = 32
    ) {
      self.isReadOnly = isReadOnly
      self.mapSize = mapSize
      self.smallestMapSize = smallestMapSize
      self.maxReaders = maxReaders
      self.maxTables = maxTables
    }
  }

  /// A reset read transaction, ready for reuse.
  struct Reader: @unchecked Sendable {  // with MDB_NOTLS a reader belongs to no thread
    let pointer: OpaquePointer
  }

  struct State: Sendable {
    var isClosed = false
    /// Running transactions.
    var active = 0
    /// The thread inside a write transaction.
    var writer: pthread_t?
    var idleReaders: [Reader] = []
  }

  nonisolated(unsafe) let handle: OpaquePointer  // thread-safe by LMDB; guarded by `state.isClosed`
  let state = Mutex(State())
  let directoryID: FileID
  private let lockFileID: FileID?
  let dataFile: Int32
  package let directory: String
  package let isReadOnly: Bool
  /// The address space that the system granted, in bytes.
  package let mapSize: Int

  /// Opens, and creates `data.mdb` and `lock.mdb` (mode 0600) where missing.
  /// - Parameter directory: an existing directory.
  /// - Throws: `LMDBError`; `EBUSY` if this process has it open already, `ENOMEM` if not even
  ///   `smallestMapSize` can be reserved.
  package init(directory: String, options: Options = Options()) throws(LMDBError) {
    let directoryID = try FileID(path: directory)
    guard openDirectories.withLock({ $0.insert(directoryID).inserted }) else {
      throw LMDBError(operation: "mdb_env_open", code: EBUSY)
    }
    do {
      (handle, mapSize) = try Self.open(directory, options)
    } catch {
      openDirectories.withLock { _ = $0.remove(directoryID) }
      throw error
    }
    var descriptor: Int32 = -1
    mdb_env_get_fd(handle, &descriptor)
    dataFile = descriptor
    lockFileID = try? FileID(path: directory + "/lock.mdb")
    self.directoryID = directoryID
    self.directory = directory
    isReadOnly = options.isReadOnly
  }

  deinit { close() }

  private static func open(
    _ directory: String, _ options: Options
  ) throws(LMDBError) -> (OpaquePointer, Int) {
    var mapSize = options.mapSize
    while true {
      var created: OpaquePointer?
      try check(mdb_env_create(&created), "mdb_env_create")
      guard let handle = created else {
        throw LMDBError(operation: "mdb_env_create", code: ENOMEM)
      }
      do {
        try check(mdb_env_set_mapsize(handle, mapSize), "mdb_env_set_mapsize")
        try check(
          mdb_env_set_maxreaders(handle, UInt32(clamping: options.maxReaders)),
          "mdb_env_set_maxreaders")
        try check(
          mdb_env_set_maxdbs(handle, UInt32(clamping: options.maxTables)), "mdb_env_set_maxdbs")
        // Whoever only reads has a better word for it than the place in LMDB's source.
        if options.isReadOnly { mdb_env_set_assert(handle) { _, _ in abort() } }
        let flags = UInt32(MDB_NOTLS) | (options.isReadOnly ? UInt32(MDB_RDONLY) : 0)
        try check(mdb_env_open(handle, directory, flags, 0o600), "mdb_env_open")
        return (handle, mapSize)
      } catch {
        mdb_env_close(handle)
        guard error.code == ENOMEM, mapSize / 2 >= options.smallestMapSize else { throw error }
        mapSize /= 2
      }
    }
  }

  /// Closes once the running transactions have ended; what begins after throws `EBADF`.
  package func close() {
    let last = state.withLock { state in
      defer { state.isClosed = true }
      return !state.isClosed && state.active == 0
    }
    if last { release() }
  }

  /// Only with no transaction running and none to come.
  func release() {
    for reader in state.withLock({ $0.idleReaders }) { mdb_txn_abort(reader.pointer) }
    mdb_env_close(handle)
    openDirectories.withLock { _ = $0.remove(directoryID) }
  }

  /// Opens a table, which must be done before it is used in a transaction.
  /// - Parameter create: creates it if missing (not in a read-only environment).
  /// - Throws: `LMDBError`; `isNotFound` if it is missing.
  package func table(_ name: String, create: Bool = false) throws(LMDBError) -> Table {
    try enter()
    defer { leave() }
    var transaction: OpaquePointer?
    try check(
      mdb_txn_begin(handle, nil, isReadOnly || !create ? UInt32(MDB_RDONLY) : 0, &transaction),
      "mdb_txn_begin")
    var index: MDB_dbi = 0
    let code = mdb_dbi_open(transaction, name, create ? UInt32(MDB_CREATE) : 0, &index)
    guard code == MDB_SUCCESS else {
      mdb_txn_abort(transaction)
      throw LMDBError(operation: "mdb_dbi_open", code: code)
    }
    try check(mdb_txn_commit(transaction), "mdb_txn_commit")
    return Table(name: name, index: index)
  }

  /// Frees the reader slots of processes that died; returns how many.
  @discardableResult
  package func clearStaleReaders() throws(LMDBError) -> Int {
    try enter()
    defer { leave() }
    var dead: Int32 = 0
    try check(mdb_reader_check(handle, &dead), "mdb_reader_check")
    return Int(dead)
  }

  /// Copies the last commit, without its free pages, to `data.mdb` in `directory`, which must exist
  /// and hold none. Writers go on meanwhile. The copy is synced.
  package func copy(to directory: String) throws(LMDBError) {
    try enter()
    defer { leave() }
    try check(mdb_env_copy2(handle, directory, UInt32(MDB_CP_COMPACT)), "mdb_env_copy2")
  }
}

/// One file of one file system, whatever its path.
struct FileID: Hashable, Sendable {
  let device: UInt64
  let inode: UInt64

  init(path: String) throws(LMDBError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw LMDBError(operation: "stat", code: errno) }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}

/// What this process has open: LMDB does not refuse a second opening, which would drop the locks.
private let openDirectories = Mutex<Set<FileID>>([])

extension Environment {
  /// Whether the files on disk are still those that were opened. Without this, one that is deleted
  /// or replaced under way takes commits that nobody will ever read.
  package func isInPlace() -> Bool {
    guard (try? enter()) != nil else { return false }
    defer { leave() }
    var status = stat()
    guard fstat(dataFile, &status) == 0, status.st_nlink > 0 else { return false }
    return lockFileID == (try? FileID(path: directory + "/lock.mdb"))
  }
}
