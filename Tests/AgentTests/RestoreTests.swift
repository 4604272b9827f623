// What a start goes on from. A stored state saves time; the log alone says what is so.

import EventLog
import Foundation
import Logging
import Membership
import Raft
import Schema
import Testing

@testable import Agent

@Suite("The state that a start makes of its log")
struct RestoreTests {
  private static let record = NodeRecord(
    id: NodeID(1), name: "n1", role: .controlPlane,
    endpoints: Endpoints(cluster: Address("10.0.0.1:25000")!),
    key: Digest(words: [1, 2, 3, 4]), failureDomain: "", version: "0.1.0")

  private static func issued(_ id: UInt64) -> Event {
    .tokenIssued(
      TokenIssued(
        id: TokenID(id),
        secrets: [.init(hash: Digest(words: [id, 0, 0, 0]), roles: [.worker])], uses: 1,
        expires: nil))
  }

  private static func recorded(_ events: [Event]) -> [RecordedEvent] {
    events.enumerated().map { place, event in
      RecordedEvent(
        index: UInt64(place) + 1, term: 1,
        envelope: Envelope(
          time: Timestamp(milliseconds: 1000 * Int64(place)),
          command: CommandID(high: 1, low: UInt64(place)), fingerprint: 0, actor: "n1",
          event: event))
    }
  }

  private static let formed = Event.clusterFormed(
    ClusterFormed(cluster: ClusterID(7), first: record))
  private static let revoked = Event.tokenRevoked(TokenRevoked(id: TokenID(5)))

  private static func state(_ events: [Event]) -> Cluster {
    var cluster = Cluster()
    for event in recorded(events) { #expect(cluster.evolve(event) == nil) }
    return cluster
  }

  /// What a start makes of a log of these events.
  private func restored(_ events: [Event], from stored: Cluster?) async throws -> Cluster {
    let path = NSTemporaryDirectory() + "muster-restore-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try EventLog.create(directory: path, identity: LogIdentity(cluster: 7, node: 1))
    var log = try EventLog.open(directory: path, mode: .readWrite)
    log.submit(
      LogWrite(
        entries: Self.recorded(events).map {
          Entry(index: $0.index, term: 1, kind: .normal, payload: $0.envelope.encoded())
        },
        hardState: HardState(term: 1, vote: 0, commit: UInt64(events.count))))
    log.close()
    log = try EventLog.open(directory: path, mode: .readOnly)
    defer { log.close() }
    return try await ControlPlane.restore(
      log,
      from: stored.map {
        Checkpoint(
          index: $0.lastIndex,
          bytes: StoredState.newest($0.packed(), commands: $0.packedCommands()))
      }, Logger(label: "restore"))
  }

  @Test("is that of its events, whatever state was stored")
  func stored() async throws {
    let events = [Self.formed, Self.issued(5), Self.revoked, Self.issued(6)]
    let right = Self.state(events)
    let sound = Self.state(Array(events.prefix(2)))
    // It knows another invitation, so that the next event cannot be.
    let wrong = Self.state([Self.formed, Self.issued(8)])
    for stored in [nil, sound, wrong] {
      #expect(try await restored(events, from: stored) == right)
    }
  }

  @Test("is none where the events contradict one another, and the words say who can be wrong")
  func contradiction() async throws {
    let events = [Self.formed, Self.issued(8), Self.revoked]
    for stored in [nil, Self.state(Array(events.prefix(2)))] {
      let failure = await #expect(throws: Failure.self) {
        try await restored(events, from: stored)
      }
      #expect(failure?.exitCode == 65)
      #expect(failure?.message.contains("3") == true)
      #expect(failure?.message.contains("The log is whole") == true)
      #expect(failure?.message.contains("muster verify --cluster") == true)
    }
  }
}
