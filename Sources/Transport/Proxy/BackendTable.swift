// The servers behind a proxy and what is known of their health: a value without sockets or clocks,
// so that its laws can be tested by themselves.
//
// A new client goes to the one of two servers, drawn at random among those thought to be up, that
// has fewer connections: as even as asking all of them, and no herd runs to one that just came
// back. What is known here only orders the attempts and never refuses one: where no server is
// thought to be up all of them are tried. A server that was taken off the list stays in the table
// until its last connection ends.

import NIOCore

/// The servers of a proxy, and which of them the next client should try.
struct BackendTable {
  /// Names one stay of a server in the table; never used twice.
  typealias ID = UInt64

  struct Backend {
    let id: ID
    let name: HostPort
    /// Nil while the name is not resolved.
    var address: SocketAddress?
    var isListed = true
    /// Nil while it is thought to be up.
    var trouble: Trouble?
    /// When it last came back, and how often it failed soon after that.
    var cameBack: UInt64?
    var relapses = 0
    /// When it last answered a client.
    var lastAnswer: UInt64 = 0
    var connections = 0
  }

  struct Trouble {
    var why: String
    /// Nanoseconds on the monotonic clock.
    var since: UInt64
    /// Not thought to be up before this, whatever a check finds.
    var until: UInt64
    var failedChecks = 0
    /// Whether it does not answer at all, so that its open connections are worthless.
    var isSilent: Bool
  }

  /// A server that fails again within this time of coming back stays out longer.
  private static let probation: UInt64 = 10_000_000_000
  private static let longestPenalty: UInt64 = 8_000_000_000

  private(set) var backends: [Backend] = []
  private var nextID: ID = 1
  private var random: UInt64

  /// - Parameter seed: of the draws.
  init(seed: UInt64) { random = seed }

  subscript(id: ID) -> Backend? { backends.first { $0.id == id } }

  var listed: [Backend] { backends.filter(\.isListed) }

  /// Makes the list these servers, each once; one that is listed again goes on as it was.
  /// - Returns: those that came and those that went.
  mutating func setList(_ names: [HostPort]) -> (added: [ID], removed: [ID]) {
    var added: [ID] = []
    var removed: [ID] = []
    let wanted = Set(names)
    for index in backends.indices where backends[index].isListed {
      if wanted.contains(backends[index].name) { continue }
      backends[index].isListed = false
      removed.append(backends[index].id)
    }
    for name in names {
      if let index = backends.firstIndex(where: { $0.name == name }) {
        if backends[index].isListed { continue }
        backends[index].isListed = true
        added.append(backends[index].id)
      } else {
        backends.append(Backend(id: nextID, name: name, address: name.literal))
        added.append(nextID)
        nextID += 1
      }
    }
    forgetIdle()
    return (added, removed)
  }

  mutating func resolve(_ id: ID, to address: SocketAddress) {
    change(id) { $0.address = address }
  }

  /// A server for one attempt, counted as a connection until `release`.
  /// - Parameter tried: those that this client tried before.
  mutating func take(except tried: [ID]) -> (id: ID, address: SocketAddress)? {
    var fit: [Int] = []
    var unfit: [Int] = []
    for index in backends.indices {
      let backend = backends[index]
      guard backend.isListed, backend.address != nil, !tried.contains(backend.id) else { continue }
      if backend.trouble == nil { fit.append(index) } else { unfit.append(index) }
    }
    guard let index = lesser(of: fit.isEmpty ? unfit : fit), let address = backends[index].address
    else { return nil }
    backends[index].connections += 1
    return (backends[index].id, address)
  }

  /// Whether another server that is thought to be up is left for a client.
  func hasFit(except tried: [ID]) -> Bool {
    backends.contains {
      $0.isListed && $0.trouble == nil && $0.address != nil && !tried.contains($0.id)
    }
  }

  /// A connection to it ended.
  mutating func release(_ id: ID) {
    change(id) { $0.connections -= 1 }
    forgetIdle()
  }

  /// A client, or a check, found it wanting.
  /// - Returns: whether that is news.
  mutating func failed(_ id: ID, why: String, silent: Bool, byCheck: Bool, at now: UInt64) -> Bool {
    var isNews = false
    change(id) { backend in
      if var trouble = backend.trouble {
        trouble.why = why
        trouble.isSilent = trouble.isSilent || silent
        if byCheck { trouble.failedChecks += 1 }
        backend.trouble = trouble
        return
      }
      isNews = true
      let isRelapse = backend.cameBack.map { now < $0 + Self.probation } ?? false
      backend.relapses = isRelapse ? min(backend.relapses + 1, 8) : 0
      let penalty =
        backend.relapses == 0
        ? 0 : min(500_000_000 << UInt64(backend.relapses), Self.longestPenalty)
      backend.trouble = Trouble(
        why: why, since: now, until: now + penalty, failedChecks: byCheck ? 1 : 0,
        isSilent: silent)
    }
    return isNews
  }

  /// It answered a client or a check.
  /// - Returns: whether it is thought to be up again.
  mutating func answered(_ id: ID, byCheck: Bool, at now: UInt64) -> Bool {
    var isNews = false
    change(id) { backend in
      if !byCheck { backend.lastAnswer = now }
      guard let trouble = backend.trouble else { return }
      backend.trouble?.isSilent = false
      guard now >= trouble.until else { return }
      backend.trouble = nil
      backend.cameBack = now
      isNews = true
    }
    return isNews
  }

  // MARK: Inside

  private mutating func change(_ id: ID, _ body: (inout Backend) -> Void) {
    guard let index = backends.firstIndex(where: { $0.id == id }) else { return }
    body(&backends[index])
  }

  private mutating func forgetIdle() {
    backends.removeAll { !$0.isListed && $0.connections == 0 }
  }

  /// The one with fewer connections of two drawn at random.
  private mutating func lesser(of indices: [Int]) -> Int? {
    guard let first = indices.first else { return nil }
    guard indices.count > 1 else { return first }
    let one = draw(below: indices.count)
    var other = draw(below: indices.count - 1)
    if other >= one { other += 1 }
    return backends[indices[one]].connections <= backends[indices[other]].connections
      ? indices[one] : indices[other]
  }

  /// SplitMix64 (Steele, Lea and Flood 2014).
  private mutating func draw(below bound: Int) -> Int {
    random &+= 0x9e37_79b9_7f4a_7c15
    var value = random
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return Int((value ^ (value >> 31)) % UInt64(bound))
  }
}
