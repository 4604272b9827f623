import EventLog
import Foundation
import Raft
import Testing

@testable import Agent

@Suite("A log that rots")
struct LogPatrolTests {
  @Test("A flipped bit in an entry that nobody reads is found while the node serves")
  func rot() async throws {
    let path = NSTemporaryDirectory() + "muster-patrol-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try EventLog.create(directory: path, identity: LogIdentity(cluster: 1, node: 2))
    var log = try EventLog.open(directory: path, mode: .readWrite)
    let entries = (1...1000).map {
      Entry(index: $0, term: 1, payload: Array("the payload of entry \($0).".utf8))
    }
    log.submit(LogWrite(entries: entries, hardState: HardState(term: 1, vote: 0, commit: 1000)))
    log.close()
    let url = URL(fileURLWithPath: path + "/data.mdb")
    var data = try Data(contentsOf: url)
    let place = try #require(data.range(of: Data("entry 300.".utf8)))
    data[place.lowerBound] ^= 4
    try data.write(to: url)
    log = try EventLog.open(directory: path, mode: .readWrite)
    defer { log.close() }
    let failure = await withCheckedContinuation { continuation in
      LogPatrol.begin(log) { continuation.resume(returning: $0) }
    }
    #expect(failure.exitCode == 65)
    #expect(failure.message.contains("data.mdb, index 300:"))
  }
}
