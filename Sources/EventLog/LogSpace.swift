/// Room of a log, in bytes.
package struct LogSpace: Equatable, Sendable {
  /// What the pages up to the last one take.
  package let used: Int
  /// What `data.mdb` has on the disk, which grows ahead of its pages.
  package let fileSize: Int
  /// The most that it may ever have.
  package let mapSize: Int
  /// Free on its disk.
  package let diskFree: Int
  /// Commits since the log was made: a count, not bytes.
  package let commits: Int

  /// 0 (empty) to 1 (full): the share of what could be used that is.
  package var fill: Double {
    let limit = min(mapSize, fileSize + diskFree)
    return limit <= 0 ? 1 : min(1, Double(used) / Double(limit))
  }
}
