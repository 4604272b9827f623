// The way of a request before it is decided and after it is answered.

import Membership
import Raft
import Schema

extension Replica {
  /// Sends every idle request where it can be decided: here, or to the leader.
  mutating func dispatchRequests() {
    guard !requests.idle.isEmpty else { return }
    let idle = requests.idle
    requests.idle = []
    for caller in idle {
      guard let entry = requests.local[caller], case .idle(let since) = entry.state else {
        continue
      }
      if since > now.monotonic {
        requests.idle.append(caller)
      } else if isLeader {
        requests.local[caller]?.state = .here
        enqueue(entry.request, .local(caller))
      } else if let leader {
        let id = requests.nextForward
        requests.nextForward &+= 1
        requests.forwarded[id] = caller
        requests.local[caller]?.state = .forwarded(to: leader, id: id)
        effects.frames.append(.init(to: leader, frame: .forward(id: id, request: entry.request)))
      } else {
        requests.idle.append(caller)
        requests.local[caller]?.state = .idle(since: now.monotonic + Requests.pause)
      }
    }
  }

  /// A peer passed on a request of one of its callers.
  mutating func admit(_ request: Request, from origin: Origin) {
    guard request.command.isClients else { return }
    guard isLeader else {
      return answer(origin, .notLeader(leader: raft.leader))
    }
    enqueue(request, origin)
  }

  private mutating func enqueue(_ request: Request, _ origin: Origin) {
    guard requests.queue.count < Requests.limit else {
      return answer(origin, .unknown(reason: "too many requests are waiting"))
    }
    requests.queue.append(.init(origin: origin, request: request))
  }

  /// The leader answered what was forwarded to it.
  mutating func answered(_ id: UInt64, _ outcome: Outcome) {
    guard let caller = requests.forwarded.removeValue(forKey: id) else { return }
    switch outcome {
    case .committed, .refused: finish(caller, outcome)
    case .unknown, .notLeader: requests.retry(caller, at: now.monotonic + Requests.pause)
    }
  }

  /// Gives an outcome to whoever waits for it.
  mutating func answer(_ origin: Origin, _ outcome: Outcome) {
    switch origin {
    case .keeper: break
    case .peer(let node, let id):
      effects.frames.append(.init(to: node, frame: .answer(id: id, outcome: outcome)))
    case .local(let caller):
      switch outcome {
      case .committed, .refused: finish(caller, outcome)
      case .unknown, .notLeader: requests.retry(caller, at: now.monotonic + Requests.pause)
      }
    }
  }

  private mutating func finish(_ caller: Caller, _ outcome: Outcome) {
    guard requests.local.removeValue(forKey: caller) != nil, caller != Self.ownCaller else {
      return
    }
    effects.answers.append(.init(caller: caller, outcome: outcome))
  }

  /// Answers what is past its deadline: the outcome is unknown, and this says what was pending.
  mutating func expire() {
    for (caller, entry) in requests.takeExpired(at: now.monotonic) {
      let pending =
        switch entry.state {
        case .idle: leader == nil ? "no leader is known" : "the leader did not take it"
        case .forwarded(let to, let id):
          forget(id, "the leader \(cluster.name(of: to)) has not answered")
        case .here: "it is not yet committed by a quorum"
        }
      effects.answers.append(.init(caller: caller, outcome: .unknown(reason: pending)))
    }
    expireReads()
  }

  private mutating func forget(_ id: UInt64, _ reason: String) -> String {
    requests.forwarded[id] = nil
    return reason
  }

  /// Requests on their way to that peer go again.
  mutating func linkClosed(_ peer: NodeID) {
    let lost = requests.forwarded.keys.sorted().filter { id in
      guard let caller = requests.forwarded[id], let entry = requests.local[caller],
        case .forwarded(let to, _) = entry.state
      else { return true }
      return to == peer
    }
    for id in lost {
      guard let caller = requests.forwarded.removeValue(forKey: id) else { continue }
      requests.retry(caller, at: now.monotonic + Requests.pause)
    }
    core(.unreachable(peer.rawValue))
    if raft.leader == peer.rawValue { core(.forgetLeader) }
  }

  /// This node lost leadership: what it had in hand has an unknown outcome.
  mutating func abandonRequests() {
    var origins = requests.queue.map(\.origin)
    for index in requests.waiting.keys.sorted() {
      origins += requests.waiting[index]?.map(\.origin) ?? []
    }
    for id in requests.departures.keys.sorted() { origins += requests.departures[id] ?? [] }
    requests.queue = []
    requests.waiting = [:]
    requests.departures = [:]
    for origin in origins { answer(origin, .unknown(reason: "leadership was lost")) }
  }
}
