// What the consensus core costs by itself: proposals through one node or three, with no disk and no
// network. The unit is one proposal, appended, replicated, acknowledged and applied everywhere.

import Raft
import Synchronization

/// Drives cores in memory: every job is durable at once, every message arrives at once.
struct CoreBenchmark {
  var nodes: Int
  /// How many entries one proposal call carries.
  var batch: Int
  var proposals: Int

  /// A log that is always durable.
  private final class MemoryLog: StableLog {
    private let entries = Mutex<[Entry]>([])

    func write(_ new: [Entry]) {
      guard let first = new.first else { return }
      entries.withLock { entries in
        entries.removeLast(entries.count - Int(first.index - 1))
        entries.append(contentsOf: new)
      }
    }

    var firstIndex: Index { 1 }
    var lastIndex: Index { entries.withLock { Index($0.count) } }

    func term(at index: Index) -> Term? {
      if index == 0 { return 0 }
      return entries.withLock { index <= Index($0.count) ? $0[Int(index - 1)].term : nil }
    }

    func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
      entries.withLock { entries in
        guard index > 0, index <= Index(entries.count), index < end else { return nil }
        return Array(entries[Int(index - 1)..<Int(min(end - 1, Index(entries.count)))])
      }
    }

    func snapshot() -> Snapshot? { nil }
  }

  private final class Node {
    var machine: Machine
    let log = MemoryLog()

    init(_ id: PeerID, of count: Int) {
      var options = Machine.Options(id: id, seed: id)
      options.maxUncommittedBytes = .max
      machine = Machine(
        options: options, configuration: Configuration(voters: Array(1...PeerID(count))),
        hardState: HardState(), applied: 0, log: log, payload: { _, _, _, _ in [] },
        at: Time(monotonic: 0, stamp: 0))
    }
  }

  /// Nanoseconds a proposal.
  func run() throws(Refused) -> Double {
    let nodes = (1...self.nodes).map { Node(PeerID($0), of: self.nodes) }
    let time = Time(monotonic: 1, stamp: 0)
    try nodes[0].machine.step(.campaign, at: time)
    try settle(nodes, time)
    let payload = [UInt8](repeating: 7, count: 100)
    let entries = [Entry](repeating: Entry(payload: payload), count: batch)
    let clock = ContinuousClock()
    let start = clock.now
    var done = 0
    while done < proposals {
      _ = try nodes[0].machine.propose(entries, at: time)
      try settle(nodes, time)
      done += batch
    }
    let (seconds, fraction) = (clock.now - start).components
    let last = nodes.map(\.machine.appliedIndex)
    precondition(last.allSatisfy { $0 > Index(done) }, "not all was applied: \(last)")
    return (Double(seconds) * 1e9 + Double(fraction) / 1e9) / Double(done)
  }

  private func settle(_ nodes: [Node], _ time: Time) throws(Refused) {
    var isBusy = true
    while isBusy {
      isBusy = false
      for node in nodes {
        while true {
          let effects = node.machine.takeEffects()
          if effects.isEmpty { break }
          isBusy = true
          try deliver(effects.messages, to: nodes, time)
          if let job = effects.append {
            node.log.write(job.entries)
            try deliver(job.released, to: nodes, time)
            try node.machine.step(.appended(job.ack), at: time)
          }
          if let last = effects.committed.last {
            try node.machine.step(.applied(last.index), at: time)
          }
        }
      }
    }
  }

  private func deliver(
    _ messages: [Message], to nodes: [Node], _ time: Time
  ) throws(Refused) {
    for message in messages {
      try nodes[Int(message.to) - 1].machine.step(.receive(message), at: time)
    }
  }
}

/// `muster-sim --core NODES BATCH PROPOSALS`: prints nanoseconds a proposal.
func runCoreBenchmark(_ words: ArraySlice<String>) -> Bool {
  let numbers = words.dropFirst().compactMap { Int($0) }
  guard words.first == "--core" else { return false }
  guard numbers.count == 3, words.count == 4, numbers.allSatisfy({ (1...10_000_000).contains($0) }),
    numbers[0] <= 7
  else { usage("--core needs the numbers of nodes (1 to 7), entries a call and proposals") }
  let benchmark = CoreBenchmark(nodes: numbers[0], batch: numbers[1], proposals: numbers[2])
  do throws(Refused) {
    let nanoseconds = try benchmark.run()
    print("core nodes=\(numbers[0]) batch=\(numbers[1]) ns=\(Int(nanoseconds))")
  } catch {
    usage("the core refused a proposal: \(error)")
  }
  return true
}
