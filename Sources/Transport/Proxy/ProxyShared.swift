// What the threads of one proxy share: the servers, the count of clients, the log.

import NIOCore
import Synchronization

/// The common ground of a proxy's loops.
final class ProxyShared: Sendable {
  let options: ProxyOptions
  let table: Mutex<BackendTable>
  let meter = ProxyMeter()
  let clock: any EventLoop
  let loops = Mutex<[ProxyLoop]>([])
  private let log: @Sendable (ProxyNotice) -> Void
  /// When each notice that can come with every client was last given.
  private let said = Mutex<[String: UInt64]>([:])
  /// Called when a client found a server wanting.
  let troubled = Mutex<(@Sendable (BackendTable.ID) -> Void)?>(nil)

  init(
    options: ProxyOptions, seed: UInt64, clock: any EventLoop,
    log: @escaping @Sendable (ProxyNotice) -> Void
  ) {
    self.options = options
    self.clock = clock
    self.log = log
    table = Mutex(BackendTable(seed: seed))
  }

  /// Nanoseconds of the monotonic clock.
  var now: UInt64 { clock.now.uptimeNanoseconds }

  func say(_ notice: ProxyNotice) { log(notice) }

  /// Says it at most once a minute.
  func sayOnce(_ notice: ProxyNotice, as key: String) {
    let now = now
    let isNews = said.withLock { said in
      if let last = said[key], now < last + 60_000_000_000 { return false }
      said[key] = now
      return true
    }
    if isNews { log(notice) }
  }

  func failed(_ id: BackendTable.ID, why: String, silent: Bool, byCheck: Bool) {
    let now = now
    let (name, isNews, isLast) = table.withLock { table in
      let isNews = table.failed(id, why: why, silent: silent, byCheck: byCheck, at: now)
      return (table[id]?.name, isNews, !table.hasFit(except: []))
    }
    guard isNews, let name else { return }
    log(.down(name, why: why))
    if isLast { sayOnce(.allDown, as: "allDown") }
    if !byCheck { troubled.withLock { $0 }?(id) }
  }

  func answered(_ id: BackendTable.ID, byCheck: Bool) {
    let now = now
    let name = table.withLock { table in
      table.answered(id, byCheck: byCheck, at: now) ? table[id]?.name : nil
    }
    if let name { log(.up(name)) }
  }

  /// Room for one more client.
  func reserve() -> Bool {
    let before = meter.open.wrappingAdd(1, ordering: .relaxed).oldValue
    if before < options.maxConnections { return true }
    meter.open.wrappingSubtract(1, ordering: .relaxed)
    return false
  }

  func unreserve() { meter.open.wrappingSubtract(1, ordering: .relaxed) }
}

/// Counters that several threads raise.
final class ProxyMeter: Sendable {
  let accepted = Atomic<UInt64>(0)
  let connected = Atomic<UInt64>(0)
  let failures = Atomic<UInt64>(0)
  let exhausted = Atomic<UInt64>(0)
  let withoutBackend = Atomic<UInt64>(0)
  let bytesToBackends = Atomic<UInt64>(0)
  let bytesToClients = Atomic<UInt64>(0)
  let open = Atomic<Int>(0)

  var counters: ProxyCounters {
    var out = ProxyCounters()
    out.accepted = accepted.load(ordering: .relaxed)
    out.connected = connected.load(ordering: .relaxed)
    out.failures = failures.load(ordering: .relaxed)
    out.exhausted = exhausted.load(ordering: .relaxed)
    out.withoutBackend = withoutBackend.load(ordering: .relaxed)
    out.bytesToBackends = bytesToBackends.load(ordering: .relaxed)
    out.bytesToClients = bytesToClients.load(ordering: .relaxed)
    out.open = open.load(ordering: .relaxed)
    return out
  }
}

extension Atomic where Value == UInt64 {
  func count(_ number: UInt64 = 1) { wrappingAdd(number, ordering: .relaxed) }
}
