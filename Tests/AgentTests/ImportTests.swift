// A log that is made of a file is whole or not there.

import Agent
import EventLog
import Foundation
import History
import Raft
import Testing

@Suite("A log made of a file")
struct ImportTests {
  /// An export whose hashes are right, of events that nobody can read from an index on.
  private func export(_ folder: URL, count: UInt64) throws -> String {
    let log = folder.appending(path: "source").path
    try EventLog.create(directory: log, identity: LogIdentity(cluster: 1, node: 1))
    let source = try EventLog.open(directory: log, mode: .readWrite)
    source.submit(
      LogWrite(
        entries: (1...count).map { Entry(index: $0, term: 1, kind: .normal, payload: [0xff]) },
        hardState: HardState(term: 1, vote: 0, commit: count)))
    source.close()
    let made = try EventLog.open(directory: log, mode: .readOnly)
    defer { made.close() }
    let file = folder.appending(path: "file.muster").path
    var bytes: [UInt8] = []
    try History(LogSource(made)).export { bytes += $0 }
    try Data(bytes).write(to: URL(filePath: file))
    return file
  }

  @Test("is gone again if it cannot be finished, and nothing that was there before is")
  func failed() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try export(folder, count: 3)
    let made = folder.appending(path: "made").path
    #expect(throws: HistoryFault.self) { try Chronicle.restore(file: file, to: made) }
    #expect(!FileManager.default.fileExists(atPath: made))
    try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: false)
    try Data("mine".utf8).write(to: URL(filePath: made + "/note"))
    #expect(throws: (any Error).self) { try Chronicle.restore(file: file, to: made) }
    #expect(FileManager.default.contents(atPath: made + "/note") == Data("mine".utf8))
  }
}
