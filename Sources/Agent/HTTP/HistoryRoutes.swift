// What the tools of history ask a running agent: how far its log is applied, what its views come
// to, and whether all replicas have one history. Events themselves are read from the log on the
// disk.

import EventLog
import FoundationEssentials
package import History
import Hummingbird
import Membership
import NIOHTTP1
import NIOPosix
import Replication

extension Routes {
  func history(_ router: AgentRouter) {
    route(router, .get, "/v1/log") { request, context in
      _ = try await requireControlPlane(request, context)
      let node = try daemon.controlPlane("read the log")
      let query = Query(request)
      if let after = try query.number("after") {
        _ = await node.board.applied.wait(
          above: after, timeout: .seconds(Int64(min(try query.number("wait") ?? 0, 60))))
      }
      return try Answer.json(
        LogPosition(
          cluster: node.board.directory.cluster.description, name: daemon.settings.name,
          applied: node.board.appliedIndex))
    }
    route(router, .get, "/v1/log/digests") { request, context in
      _ = try await requireControlPlane(request, context)
      return try Answer.json(try await digests())
    }
    route(router, .get, "/v1/log/replica") { request, context in
      _ = try await requireControlPlane(request, context)
      let query = Query(request)
      return try Answer.json(
        try await replica(at: query.number("index"), verifies: query.flag("verify")))
    }
    route(router, .get, "/v1/log/replicas") { request, context in
      _ = try await requireControlPlane(request, context)
      return try Answer.json(try await replicas(verify: Query(request).flag("verify")))
    }
    route(router, .get, "/v1/health") { request, context in
      try await requireMember(request, context)
      return try await health(Query(request))
    }
  }

  /// The views of this moment.
  private func digests() async throws -> DigestsAnswer {
    let node = try daemon.controlPlane("read the log")
    let cluster = await node.driver.look { $0.cluster }
    return await withTaskExecutorPreference(globalConcurrentExecutor) {
      DigestsAnswer(ProjectionDigests(cluster))
    }
  }

  /// This node's own word.
  /// - Parameter verifies: another process computes every hash of its log anew.
  private func replica(at index: UInt64?, verifies: Bool) async throws -> ReplicaAnswer {
    let node = try daemon.controlPlane("read the log")
    let applied = node.board.appliedIndex
    let digests = try await digests()
    let asked = index ?? applied
    let space = try? node.log.space()
    let path = node.log.directory
    let found =
      verifies
      ? try await NIOThreadPool.singleton.runIfActive {
        try LogExamination.run(path, isWhole: true)
      } : nil
    var (hash, damage) = (ChainHash?.none, found?.damage)
    do throws(Fault) {
      if asked <= applied { hash = try node.log.chainHash(at: asked) }
    } catch {
      damage = damage ?? error.text
    }
    return ReplicaAnswer(
      name: daemon.settings.name, applied: applied, hash: hash?.description,
      digests: digests, version: Version.program, clock: Timestamp.now.milliseconds,
      fill: space?.fill, diskFree: space?.diskFree, polls: node.board.polls,
      verified: found?.good, damage: damage)
  }

  /// Everybody's word, at the lowest index that all who answer have applied.
  /// - Parameter verify: each computes every hash of its log anew.
  func replicas(verify: Bool = false) async throws -> ReplicasAnswer {
    let node = try daemon.controlPlane("compare replicas")
    let members = node.board.directory.members.filter { $0.value.role == .controlPlane }
      .sorted { $0.value.name < $1.value.name }
    let first = try await ask(members.map { ($0.key, $0.value) }, at: nil)
    // Who did not answer is not asked again.
    let silent = first.filter { $0.answer == nil }
    let others = members.filter { member in !silent.contains { $0.name == member.value.name } }
      .map { ($0.key, $0.value) }
    let lowest = first.compactMap { $0.answer?.applied }.min() ?? 0
    let proofs = verify ? try await ask(others, at: lowest, verify: true) : []
    var (words, tries) = (first, 0)
    var answer: ReplicasAnswer
    // Views are told as of now: where events come all the time, it takes some luck to have all of
    // one index.
    repeat {
      let index = words.compactMap { $0.answer?.applied }.min() ?? 0
      words = try await ask(others, at: index)
      answer = ReplicasAnswer(
        index: index,
        replicas: (words + silent).sorted { $0.name < $1.name }.map { word in
          let proof = proofs.first { $0.name == word.name }?.answer
          var replica = ReplicasAnswer.Replica(
            name: word.name, answer: word.answer, problem: word.problem,
            clockAhead: word.clockAhead, clockError: word.clockError)
          replica.answer?.verified = proof?.verified
          replica.answer?.damage = word.answer?.damage ?? proof?.damage
          return replica
        })
      tries += 1
    } while !answer.isAtOneIndex && tries < 8
    return answer
  }

  private struct Word: Sendable {
    var name: String
    var answer: ReplicaAnswer?
    var problem: String?
    /// Milliseconds that its clock is ahead of the one here, and how far off that may be.
    var clockAhead: Int64?
    var clockError: Int64?
  }

  private func ask(
    _ members: [(Digest, Directory.Entry)], at index: UInt64?, verify: Bool = false
  ) async throws -> [Word] {
    let own = daemon.file.nodeID
    return await withTaskGroup(of: (Int, Word).self) { group in
      for (place, (key, member)) in members.enumerated() {
        group.addTask {
          do {
            if member.id == own {
              return (
                place,
                Word(
                  name: member.name, answer: try await replica(at: index, verifies: verify),
                  clockAhead: 0,
                  clockError: 0)
              )
            }
            let asked = Timestamp.now.milliseconds
            let bytes = try await daemon.client.call(
              .GET, "/v1/log/replica?verify=\(verify)" + (index.map { "&index=\($0)" } ?? ""),
              at: member.cluster, key: key, timeout: verify ? .seconds(120) : .seconds(2))
            let answer = try JSON.decode(ReplicaAnswer.self, bytes)
            let way = (Timestamp.now.milliseconds - asked + 1) / 2
            return (
              place,
              Word(
                name: member.name, answer: answer,
                clockAhead: answer.clock.map { $0 - asked - way }, clockError: way)
            )
          } catch {
            return (place, Word(name: member.name, problem: "\(error)"))
          }
        }
      }
      var words: [(Int, Word)] = []
      for await word in group { words.append(word) }
      return words.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }
}

/// `GET /v1/log`: how far a node's log is applied.
package struct LogPosition: Codable, Sendable {
  package var cluster: String
  package var name: String
  package var applied: UInt64
}

/// `GET /v1/log/digests`.
package struct DigestsAnswer: Codable, Sendable {
  package struct Entry: Codable, Sendable {
    package var name: String
    package var digest: String
  }
  package var index: UInt64
  package var entries: [Entry]
  /// Of the program that made them: another one may word its views in another way.
  package var version: String?
  /// Whether this program's views are made as those were.
  package var isComparable: Bool { version == Version.program }

  init(_ digests: ProjectionDigests) {
    index = digests.index
    version = Version.program
    entries = digests.entries.map { Entry(name: $0.name, digest: $0.digest) }
  }

  package var digests: ProjectionDigests {
    ProjectionDigests(
      index: index, entries: entries.map { .init(name: $0.name, digest: $0.digest) })
  }
}

/// `GET /v1/log/replica`: one node's history at an index.
package struct ReplicaAnswer: Codable, Sendable {
  package var name: String
  package var applied: UInt64
  /// Of the chain at the index that was asked for; nil if it is not applied there.
  package var hash: String?
  /// Of its views at what it had applied.
  package var digests: DigestsAnswer
  package var version: String?
  /// Milliseconds since 1970.
  package var clock: Int64?
  /// The share of what its log can use that is used, and bytes free on its disk.
  package var fill: Double?
  package var diskFree: Int?
  /// By a worker's id: the index of the endpoint list that it last asked with, and milliseconds
  /// since then.
  package var polls: [String: Poll]?
  /// Through which index every hash was computed anew, if that was asked for, and what is wrong.
  package var verified: UInt64?
  package var damage: String?

  package struct Poll: Codable, Sendable {
    package var index: UInt64
    package var age: Int64
  }
}

/// `GET /v1/log/replicas`: all control-plane nodes' histories at the lowest index all have.
package struct ReplicasAnswer: Codable, Sendable {
  package struct Replica: Codable, Sendable {
    package var name: String
    package var answer: ReplicaAnswer?
    package var problem: String?
    /// Milliseconds that its clock is ahead of the asked node's, and how far off that may be.
    package var clockAhead: Int64?
    package var clockError: Int64?
  }
  package var index: UInt64
  package var replicas: [Replica]

  package var comparison: ReplicaComparison {
    let answers = replicas.compactMap(\.answer)
    let versions = Set(answers.compactMap(\.version)).sorted()
    let obstacle =
      versions.count > 1
      ? "their programs are of versions \(versions.joined(separator: " and "))"
      : isAtOneIndex
        ? nil : "they went on at different indexes while they were asked; ask again"
    return ReplicaComparison(
      index: index,
      replicas: replicas.map { replica in
        .init(
          name: replica.name, last: replica.answer?.applied, hash: replica.answer?.hash,
          views: obstacle == nil ? replica.answer?.digests.digests.entries : nil,
          problem: replica.problem, verified: replica.answer?.verified,
          damage: replica.answer?.damage)
      }, obstacle: obstacle)
  }

  /// Whether all told their views at the index at which they are compared.
  var isAtOneIndex: Bool { replicas.compactMap(\.answer).allSatisfy { $0.digests.index == index } }
}
