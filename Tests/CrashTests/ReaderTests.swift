import EventLog
import Foundation
import Raft
import Testing

/// Tools read a log beside the agent that writes it, in a process of their own.
@Suite struct ReaderTests {
  @Test(
    "Who reads while the file grows and its writer is killed sees one chain, and nothing change")
  func besideWriter() throws {
    let directory = try TestDirectory.withLog()
    var random = Seeded(7)
    /// Hashes of what was committed when it was read.
    var known: [UInt64: ChainHash] = [:]
    var read: UInt64 = 0
    func look(_ log: EventLog) throws {
      let committed = log.tip.hardState.commit
      #expect(committed >= known.keys.max() ?? 0)
      var next = read + 1
      try log.forEach(from: next, through: committed) { entry in
        #expect(entry.index == next)
        next += 1
        return true
      }
      #expect(next == max(committed, read) + 1, "all that is committed can be read")
      read = max(committed, read)
      known[committed] = try log.chainHash(at: committed)
      for (index, hash) in known { #expect(try log.chainHash(at: index) == hash, "index \(index)") }
    }
    for _ in 0..<3 {
      let size = try EventLog.dataSize(of: directory.log)
      let load = try LogLoad(directory, seed: random.next())
      defer { load.kill(after: 0, andMicroseconds: 0) }
      // One reader lives over all of it; others come and go.
      let staying = try EventLog.open(directory: directory.log, mode: .readOnly)
      var looks = 0
      while try looks < 20 || EventLog.dataSize(of: directory.log) <= size {
        try #require(load.process.isRunning)
        try look(staying)
        looks += 1
      }
      load.kill(after: 0, andMicroseconds: .random(in: 0...3000, using: &random))
      try look(staying)
      staying.close()
      let later = try EventLog.open(directory: directory.log, mode: .readOnly)
      defer { later.close() }
      try look(later)
      #expect(try later.verify().damage == nil)
    }
    #expect(read > 0)
  }
}
