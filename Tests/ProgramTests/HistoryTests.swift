// What clients of real agents saw while nodes were killed, paused and cut off, judged as a history.

import Foundation
import Linearizability
import Synchronization
import Testing

extension ProgramInTrouble {
  @Suite("What clients see")
  struct ClientHistoryTests {
    /// A token for a number of nodes, and the members that came in with it.
    struct Admission: SequentialModel {
      struct State: Hashable {
        var left: Int
        var members: Set<String>
      }
      enum Action: Sendable {
        case join(String)
        case list
      }
      enum Answer: Sendable {
        case done
        case usedUp
        case members(Set<String>)
      }

      let initial: State

      func step(_ state: State, _ action: Action, _ answer: Answer?) -> State? {
        var next = state
        switch (action, answer) {
        case (.join, .usedUp): return state.left == 0 ? state : nil
        case (.join(let name), _):
          guard state.left > 0, next.members.insert(name).inserted else {
            return answer == nil ? state : nil
          }
          next.left -= 1
          return next
        case (.list, .members(let members)): return members == state.members ? state : nil
        case (.list, _): return state
        }
      }
    }

    /// Operations as they end, from several tasks.
    final class Record: Sendable {
      typealias Operation = LinearizabilityChecker<Admission>.Operation
      private let operations = Mutex<[Operation]>([])
      private let over = Mutex(false)
      let start = ContinuousClock.now

      var now: UInt64 {
        let (seconds, fraction) = (ContinuousClock.now - start).components
        return UInt64(seconds) * 1_000_000 + UInt64(fraction / 1_000_000_000_000)
      }
      var all: [Operation] { operations.withLock { $0 } }
      /// Nobody need ask any more.
      var isOver: Bool { over.withLock { $0 } }
      func finish() { over.withLock { $0 = true } }

      func add(_ action: Admission.Action, _ answer: Admission.Answer?, from begun: UInt64) {
        let ended = now
        operations.withLock { $0.append(.init(action, answer, from: begun, to: ended)) }
      }
    }

    @Test("is one after another, whatever is killed, paused or cut off meanwhile")
    func linearizable() async throws {
      try await onStage { stage in
        let network = Namespaces()
        defer { network?.end() }
        if network == nil {
          print("no network namespaces here: nothing is cut off (iproute2, root)")
        }
        try await judge(stage, network)
      }
    }

    private func judge(_ stage: Stage, _ network: Namespaces?) async throws {
      func node(_ number: Int) async throws -> Node {
        let node = try stage.node("n\(number)", network?.add(number))
        try await node.start()
        return node
      }
      var cluster: [Node] = []
      for number in 1...3 { cluster.append(try await node(number)) }
      for other in cluster.dropFirst() { try await cluster[0].admit(other) }
      var guests: [Node] = []
      for number in 4...8 { guests.append(try await node(number)) }
      let members = cluster.map(\.name)
      try await eventually("three vote") {
        try await cluster[0].status().masters.count == 3
      }
      // One token, good for three of five guests, who come to all three nodes.
      let token = try #require(
        try await cluster[0].invitation("--uses", "3").split(separator: "/").dropFirst().first)
      var strings: [String] = []
      for node in cluster {
        var parts = try await node.invitation().split(separator: "/").map(String.init)
        parts[1] = String(token)
        strings.append(parts.joined(separator: "/"))
      }
      let record = Record()
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for (place, guest) in guests.enumerated() {
          let commands = Commands(guest)
          let string = strings[place % 3]
          tasks.addTask {
            try await Task.sleep(for: .milliseconds(400 * place))
            try await commands.join(string, record)
          }
        }
        for node in cluster {
          let commands = Commands(node)
          tasks.addTask {
            while !record.isOver { try await commands.list(record) }
          }
        }
        try await hurt(cluster, network)
        // Everybody who was still asking has time to hear.
        for _ in guests { try await tasks.next() }
        record.finish()
        try await tasks.waitForAll()
      }
      for node in cluster {
        try await node.succeed("status", "--wait-ready", "--timeout", "40s")
        try await Commands(node).list(record)
      }
      let history = record.all
      let reads = history.count { if case .members? = $0.answer { true } else { false } }
      let joins = history.count { if case .done? = $0.answer { true } else { false } }
      #expect(joins <= 3 && reads >= 3, "\(joins) joined, \(reads) reads")
      let model = Admission(initial: .init(left: 3, members: Set(members)))
      #expect(
        LinearizabilityChecker(model).judge(history) == .linearizable,
        "\(history.sorted { $0.begun < $1.begun })")
    }

    /// Kills, pauses and cuts off whoever leads, in turn.
    private func hurt(_ cluster: [Node], _ network: Namespaces?) async throws {
      func leader() async throws -> Int {
        for (place, node) in cluster.enumerated() {
          let outcome = try await node.run("status", "--format", "json", "--timeout", "1s")
          guard outcome.code == 0,
            let status = try? JSONDecoder().decode(StatusAnswer.self, from: Data(outcome.out.utf8)),
            let name = status.leader
          else { continue }
          return cluster.firstIndex { $0.name == name } ?? place
        }
        return 0
      }
      let cut = try await leader()
      network?.cut(cut + 1)
      try await Task.sleep(for: .milliseconds(1800))
      network?.mend(cut + 1)
      let killed = try await leader()
      cluster[killed].kill()
      try await Task.sleep(for: .milliseconds(500))
      try await cluster[killed].start()
      let paused = try await leader()
      let id = try #require(cluster[paused].agent?.id)
      kill(id, SIGSTOP)
      try await Task.sleep(for: .milliseconds(1500))
      kill(id, SIGCONT)
    }

    /// What one client does at one node, one command after another.
    private struct Commands: Sendable {
      let name: String
      let data: String
      let folder: URL

      init(_ node: Node) {
        name = node.name
        data = node.data
        folder = node.folder
      }

      private func run(_ words: String...) async throws -> Outcome {
        try await Running(words + ["--data-dir", data], in: folder).ended()
      }

      func join(_ string: String, _ record: Record) async throws {
        let begun = record.now
        let outcome = try await run("join", string, "--worker", "--timeout", "30s")
        switch outcome.code {
        case 0: record.add(.join(name), .done, from: begun)
        case 6: record.add(.join(name), .usedUp, from: begun)
        default: record.add(.join(name), nil, from: begun)
        }
      }

      func list(_ record: Record) async throws {
        let begun = record.now
        let outcome = try await run(
          "status", "--consistent", "--format", "json", "--timeout", "2s")
        guard outcome.code == 0,
          let status = try? JSONDecoder().decode(StatusAnswer.self, from: Data(outcome.out.utf8))
        else { return }
        record.add(.list, .members(Set(status.nodes.map(\.name))), from: begun)
      }
    }
  }
}
