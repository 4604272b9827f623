import CLMDB
import Glibc

/// The figures of an environment at one moment.
package struct EnvironmentInfo: Equatable, Sendable {
  /// Bytes of address space reserved.
  package let mapSize: Int
  /// Bytes of a page.
  package let pageSize: Int
  /// Number of the last page that the last commit used.
  package let lastPage: Int
  /// Number of the last commit.
  package let lastTransaction: Int
  /// Bytes of `data.mdb`.
  package let fileSize: Int
  /// Reader slots in use, and how many there are.
  package let readers: Int
  package let maxReaders: Int

  /// Bytes that the pages up to the last one take; `Int.max` if no file has as many.
  package var usedSize: Int { Self.size(lastPage: lastPage, pageSize: pageSize) }

  /// The number is as the file has it, and a flipped bit makes it negative.
  static func size(lastPage: Int, pageSize: Int) -> Int {
    let (size, isTooLarge) = (lastPage &+ 1).multipliedReportingOverflow(by: pageSize)
    return isTooLarge || lastPage < 0 ? .max : size
  }
}

extension Environment {
  /// Bytes that the pages of a data file take, as its newer meta page says, which opening believes
  /// and maps; nil if it has no meta page.
  package static func usedSize(ofFile path: String) -> Int? {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { Glibc.close(descriptor) }
    // A page's head (16 bytes), then magic and version (8), address and map size (16), two tables
    // (48 each, the first one begins with the size of a page), last page, transaction.
    func meta(at offset: Int) -> (pageSize: Int, lastPage: Int, transaction: UInt)? {
      var bytes = [UInt8](repeating: 0, count: 152)
      guard pread(descriptor, &bytes, bytes.count, off_t(offset)) == bytes.count else { return nil }
      return bytes.withUnsafeBytes {
        (
          Int($0.loadUnaligned(fromByteOffset: 40, as: UInt32.self)),
          $0.loadUnaligned(fromByteOffset: 136, as: Int.self),
          $0.loadUnaligned(fromByteOffset: 144, as: UInt.self)
        )
      }
    }
    guard let first = meta(at: 0), let second = meta(at: first.pageSize) else { return nil }
    let newer = second.transaction > first.transaction ? second : first
    return EnvironmentInfo.size(lastPage: newer.lastPage, pageSize: first.pageSize)
  }

  package func info() throws(LMDBError) -> EnvironmentInfo {
    try enter()
    defer { leave() }
    return try measure()
  }

  private func measure() throws(LMDBError) -> EnvironmentInfo {
    var info = MDB_envinfo()
    var pages = MDB_stat()
    var status = stat()
    try check(mdb_env_info(handle, &info), "mdb_env_info")
    try check(mdb_env_stat(handle, &pages), "mdb_env_stat")
    guard fstat(dataFile, &status) == 0 else { throw LMDBError(operation: "fstat", code: errno) }
    return EnvironmentInfo(
      mapSize: info.me_mapsize, pageSize: Int(pages.ms_psize), lastPage: info.me_last_pgno,
      lastTransaction: info.me_last_txnid, fileSize: Int(status.st_size),
      readers: Int(info.me_numreaders), maxReaders: Int(info.me_maxreaders))
  }

  /// Makes `data.mdb` at least `bytes` longer than its last page, in whole steps of `step` bytes
  /// and never beyond the map. Then no commit changes the file's size, which a sync would have to
  /// record as well; a full disk is met here, before a transaction; and a file that is shorter
  /// than its last page is one that was cut. To be called by the thread that writes.
  /// - Throws: `LMDBError`; `ENOSPC`, `EDQUOT` or `EFBIG` if the disk is full.
  package func extend(by bytes: Int, step: Int) throws(LMDBError) {
    try enter()
    defer { leave() }
    let now = try measure()
    guard now.fileSize < now.usedSize + bytes else { return }
    let wanted = min((now.usedSize + bytes + step - 1) / step * step, now.mapSize)
    guard now.fileSize < wanted else { return }
    let code = posix_fallocate(dataFile, off_t(now.fileSize), off_t(wanted - now.fileSize))
    try check(code, "posix_fallocate")
  }
}
