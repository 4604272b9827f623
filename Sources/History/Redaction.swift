// What is taken out of a history before it is mailed: every address becomes one of the range that
// is set aside for documents (RFC 3849), the same one everywhere, and what people wrote as reasons
// goes. Names, roles and times stay, so that the story can still be followed and folded.

import Membership
import Raft
import Schema

/// Replaces addresses and reasons, consistently over one history.
package struct Redaction: Sendable {
  package static let words = "addresses and reasons"
  package var name: String { Self.words }
  private var hosts: [Host: Host] = [:]

  package init() {}

  /// - Throws: `HistoryFault` if the entry cannot be read: what is not understood is not mailed.
  mutating func apply(to entry: inout Entry) throws(HistoryFault) {
    var envelope = try History.event(entry).envelope
    if !envelope.reason.isEmpty { envelope.reason = "(redacted)" }
    switch envelope.event {
    case .clusterFormed(var formed):
      formed.first.endpoints = redacted(formed.first.endpoints)
      envelope.event = .clusterFormed(formed)
    case .clusterImported(var imported):
      imported.first.endpoints = redacted(imported.first.endpoints)
      envelope.event = .clusterImported(imported)
    case .nodeJoined(var joined):
      joined.node.endpoints = redacted(joined.node.endpoints)
      envelope.event = .nodeJoined(joined)
    case .nodeReplaced(var replaced):
      replaced.joined.node.endpoints = redacted(replaced.joined.node.endpoints)
      envelope.event = .nodeReplaced(replaced)
    case .nodePromoted(var promoted):
      promoted.endpoints = redacted(promoted.endpoints)
      envelope.event = .nodePromoted(promoted)
    case .nodeDemoted(var demoted):
      demoted.endpoints = redacted(demoted.endpoints)
      envelope.event = .nodeDemoted(demoted)
    case .endpointRefreshed(var refreshed):
      refreshed.endpoints = redacted(refreshed.endpoints)
      envelope.event = .endpointRefreshed(refreshed)
    case .leaderElected, .tokenIssued, .tokenRevoked, .nodeLeft, .nodeRemoved, .roleAssigned,
      .rolesSettled, .nodeSuspected, .nodeRecovered, .replicaLost, .replicaRefetched,
      .maintenanceEntered, .maintenanceExited, .policyChanged, .certificateIssued:
      break
    }
    entry.payload = envelope.encoded()
  }

  private mutating func redacted(_ endpoints: Endpoints) -> Endpoints {
    Endpoints(
      cluster: redacted(endpoints.cluster), datastore: endpoints.datastore.map { redacted($0) },
      apiserver: endpoints.apiserver.map { redacted($0) },
      extra: endpoints.extra.map { redacted($0) })
  }

  private mutating func redacted(_ address: Address) -> Address {
    let number = hosts.count + 1
    let host = hosts[address.host] ?? .ipv6(high: 0x2001_0db8 << 32, low: UInt64(number))
    hosts[address.host] = host
    return Address(host: host, port: address.port) ?? address
  }
}
