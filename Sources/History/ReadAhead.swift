// To prove and decode events is more than half of the work of folding them: of a long run the next
// ones are read on another thread while those before are folded.

import Dispatch
import EventLog
import Membership
import Synchronization

/// One run of events on its way from the thread that reads it to the one that takes it.
final class ReadAhead: Sendable {
  private enum Piece: Sendable {
    case events([(RecordedEvent, ChainHash)])
    case end((any Error)?)
  }

  /// Events in a piece, and how many pieces may wait.
  private static let (size, room) = (256, 4)

  private let waiting = Mutex<[Piece]>([])
  private let isLeft = Atomic(false)
  private let filled = DispatchSemaphore(value: 0)
  private let free = DispatchSemaphore(value: room)

  /// Hands out the events of a range in order, until `body` returns false.
  /// - Throws: what reading and decoding throw, after the events before; else what `body` throws.
  static func forEach(
    of history: History, from first: UInt64, through last: UInt64,
    _ body: (RecordedEvent, ChainHash) throws -> Bool
  ) throws {
    let ahead = ReadAhead()
    DispatchQueue.global().async { ahead.read(history, from: first, through: last) }
    var hasEnded = false
    defer {
      // Nobody reads on when this returns: the source may then be closed.
      ahead.isLeft.store(true, ordering: .relaxed)
      while !hasEnded {
        ahead.free.signal()
        if case .end = ahead.next() { hasEnded = true }
      }
    }
    while true {
      switch ahead.next() {
      case .events(let events):
        ahead.free.signal()
        for (event, hash) in events where try !body(event, hash) { return }
      case .end(let error):
        hasEnded = true
        if let error { throw error }
        return
      }
    }
  }

  private func next() -> Piece {
    filled.wait()
    return waiting.withLock { $0.removeFirst() }
  }

  private func put(_ piece: Piece) {
    waiting.withLock { $0.append(piece) }
    filled.signal()
  }

  private func read(_ history: History, from first: UInt64, through last: UInt64) {
    var events: [(RecordedEvent, ChainHash)] = []
    func hand() {
      free.wait()
      put(.events(events))
      events = []
    }
    do {
      try history.source.forEach(from: first, through: last) { entry, hash in
        events.append((try History.event(entry), hash))
        if events.count == Self.size { hand() }
        return !isLeft.load(ordering: .relaxed)
      }
      hand()
      put(.end(nil))
    } catch {
      hand()
      put(.end(error))
    }
  }
}
