// What the tools of history ask a running agent: how far its log is applied, what its views come
// to, and whether all replicas have one history. Events themselves are read from the log on the
// disk.

import EventLog
import FoundationEssentials
package import History
import Hummingbird
import Membership
import NIOHTTP1

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
      return try Answer.json(try await replica(at: Query(request).number("index")))
    }
    route(router, .get, "/v1/log/replicas") { request, context in
      _ = try await requireControlPlane(request, context)
      return try Answer.json(try await replicas())
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
  private func replica(at index: UInt64?) async throws -> ReplicaAnswer {
    let node = try daemon.controlPlane("read the log")
    let applied = node.board.appliedIndex
    let digests = try await digests()
    let asked = index ?? applied
    return ReplicaAnswer(
      name: daemon.settings.name, applied: applied,
      hash: asked <= applied ? try node.log.chainHash(at: asked)?.description : nil,
      digests: digests)
  }

  /// Everybody's word, at the lowest index that all who answer have applied.
  private func replicas() async throws -> ReplicasAnswer {
    let node = try daemon.controlPlane("compare replicas")
    let members = node.board.directory.members.filter { $0.value.role == .controlPlane }
      .sorted { $0.value.name < $1.value.name }
    let first = try await ask(members.map { ($0.key, $0.value) }, at: nil)
    let index = first.compactMap { $0.answer?.applied }.min() ?? 0
    let second = try await ask(members.map { ($0.key, $0.value) }, at: index)
    return ReplicasAnswer(
      index: index,
      replicas: second.map { word in
        ReplicasAnswer.Replica(name: word.name, answer: word.answer, problem: word.problem)
      })
  }

  private struct Word: Sendable {
    var name: String
    var answer: ReplicaAnswer?
    var problem: String?
  }

  private func ask(
    _ members: [(Digest, Directory.Entry)], at index: UInt64?
  ) async throws -> [Word] {
    let own = daemon.file.nodeID
    return await withTaskGroup(of: (Int, Word).self) { group in
      for (place, (key, member)) in members.enumerated() {
        group.addTask {
          do {
            if member.id == own {
              return (place, Word(name: member.name, answer: try await replica(at: index)))
            }
            let bytes = try await daemon.client.call(
              .GET, "/v1/log/replica" + (index.map { "?index=\($0)" } ?? ""), at: member.cluster,
              key: key, timeout: .seconds(2))
            return (
              place, Word(name: member.name, answer: try JSON.decode(ReplicaAnswer.self, bytes))
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

  init(_ digests: ProjectionDigests) {
    index = digests.index
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
}

/// `GET /v1/log/replicas`: all control-plane nodes' histories at the lowest index all have.
package struct ReplicasAnswer: Codable, Sendable {
  package struct Replica: Codable, Sendable {
    package var name: String
    package var answer: ReplicaAnswer?
    package var problem: String?
  }
  package var index: UInt64
  package var replicas: [Replica]

  package var comparison: ReplicaComparison {
    ReplicaComparison(
      index: index,
      replicas: replicas.map { replica in
        let digests = replica.answer?.digests
        return .init(
          name: replica.name, last: replica.answer?.applied, hash: replica.answer?.hash,
          digest: digests.flatMap { $0.index == index ? "\($0.digests.entries)" : nil },
          problem: replica.problem)
      })
  }
}
