// Reads that are sure to see everything that was done before them.

/// The linearizable reads of a leader (dissertation §6.4, without clocks).
///
/// A read notes the commit index of its moment and is answered once a majority has confirmed, after
/// that moment, that this leader still leads. Reads are numbered; a heartbeat carries the number of
/// the newest one and its answer confirms all up to it. Numbers are the leader's own, so an answer
/// to an older heartbeat can never confirm a newer read, whatever contexts callers choose.
struct Reads: Sendable {
  struct Request: Sendable, Equatable {
    var from: PeerID
    var context: UInt64
  }
  struct Confirmed: Sendable, Equatable {
    var request: Request
    var index: Index
  }

  /// Came before this leader has committed anything in its term: it may not know the newest commit.
  var early: [Request] = []
  private var open: [Confirmed] = []
  /// How many reads were confirmed and left `open`.
  private var confirmed: UInt64 = 0
  private var acked: [PeerID: UInt64] = [:]
  /// The newest number that a heartbeat has carried.
  private var announced: UInt64 = 0

  /// The number of the newest open read, for heartbeats; 0 if there is none.
  var context: UInt64 { open.isEmpty ? 0 : confirmed + UInt64(open.count) }
  /// Whether a read waits for the first heartbeat that carries its number.
  var isUnannounced: Bool { context > announced }

  mutating func add(_ request: Request, at index: Index) {
    open.append(Confirmed(request: request, index: index))
  }

  mutating func announce() { announced = max(announced, context) }

  /// A voter answered a heartbeat that carried `context`.
  mutating func ack(from id: PeerID, context: UInt64) {
    guard context <= confirmed + UInt64(open.count) else { return }
    acked[id] = max(acked[id] ?? 0, context)
  }

  /// The reads that a majority has confirmed by now.
  mutating func takeConfirmed(by configuration: Configuration) -> [Confirmed] {
    let number = min(
      Quorum.committed(configuration) { acked[$0] }, confirmed + UInt64(open.count))
    guard number > confirmed else { return [] }
    let count = Int(number - confirmed)
    let done = Array(open[..<count])
    open.removeFirst(count)
    confirmed = number
    return done
  }
}
