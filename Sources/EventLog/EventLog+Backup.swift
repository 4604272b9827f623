import LMDB
import Raft

extension EventLog {
  /// Copies the log as of its last commit into a directory that is missing or empty, compacted,
  /// verified and durable; writers go on. If it does not return there is no copy.
  ///
  /// A node that starts from a copy may have forgotten votes: it must not vote under the same id.
  /// - Throws: `Fault`: `.damaged` if the log is (then nothing is copied), `.inUse` if there is
  ///   something already, `.diskFull`.
  package func backup(to target: String) throws(Fault) {
    let staging = target + ".new"
    LogFiles.removeFlat(staging)
    do throws(Fault) {
      try LogFiles.makeDirectory(staging)
      let files = LogFiles(directory: staging)
      try copyPages(to: files)
      try LogFiles.create(files.identity, Array(identity.description.utf8))
      let copy = try EventLog.open(directory: staging, mode: .readOnly, expecting: identity)
      defer { copy.close() }
      let found = try copy.verify()
      if let damage = found.damage {
        throw Fault.damaged("back up", directory, damage.description)
      }
      let witness = Witness(copy.hardState, boot: copy.bootNumber)
      try LogFiles.create(files.witness, WitnessSlots.initial(witness))
      copy.close()
      try LogFiles.publish(staging, as: target)
    } catch {
      LogFiles.removeFlat(staging)
      throw error
    }
  }

  private func copyPages(to files: LogFiles) throws(Fault) {
    do {
      try store.environment.copy(to: files.directory)
    } catch {
      throw Fault("back up", directory, error)
    }
    try files.restrictData()
  }

  /// How much room the log has.
  package func space() throws(Fault) -> LogSpace {
    do {
      let info = try store.environment.info()
      return LogSpace(
        used: info.usedSize, fileSize: info.fileSize, mapSize: info.mapSize,
        diskFree: LogFiles.freeBytes(at: directory), commits: info.lastTransaction)
    } catch {
      throw Fault("measure", directory, error)
    }
  }
}
