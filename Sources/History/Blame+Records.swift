// Since which event the record of a node says what it says. An event tells all of a node's
// addresses, its version and whether it is ready, whichever of these are new: the one that made a
// value so is found by looking back for the one before which it was otherwise.

import Membership

/// What a node's record says that events tell again and again, by the field of its fact.
enum RecordField: String, CaseIterable {
  case address, datastoreAddress, apiserverAddress, apiserverReady, extraAddresses, version
}

/// What an event says of one node; nil what it leaves as it was.
private struct Told {
  var node: NodeID
  var endpoints: Endpoints?
  var version: String?
  var isReady: Bool?
}

extension Told {
  fileprivate init?(_ event: Event) {
    switch event {
    case .clusterFormed(let formed): self.init(newcomer: formed.first)
    case .clusterImported(let imported): self.init(newcomer: imported.first)
    case .nodeJoined(let joined): self.init(newcomer: joined.node)
    case .nodeReplaced(let replaced): self.init(newcomer: replaced.joined.node)
    case .endpointRefreshed(let told):
      self.init(
        node: told.node, endpoints: told.endpoints, version: told.version,
        isReady: told.apiserverReady)
    // A worker has no API server that could be ready.
    case .nodePromoted(let promoted):
      self.init(node: promoted.node, endpoints: promoted.endpoints, isReady: false)
    case .nodeDemoted(let demoted):
      self.init(node: demoted.node, endpoints: demoted.endpoints, isReady: false)
    case .nodeLeft(let left): self.init(node: left.node, isReady: false)
    default: return nil
    }
  }

  private init(newcomer: NodeRecord) {
    self.init(
      node: newcomer.id, endpoints: newcomer.endpoints, version: newcomer.version, isReady: false)
  }

  fileprivate static let types: Set<EventType> = [
    .clusterFormed, .clusterImported, .nodeJoined, .nodeReplaced, .endpointRefreshed,
    .nodePromoted, .nodeDemoted, .nodeLeft,
  ]

  /// Whether a field of the record is after the event as it is now; nil if the event leaves it.
  fileprivate func agrees(_ field: RecordField, _ now: Member) -> Bool? {
    let there = now.record.endpoints
    return switch field {
    case .address: endpoints.map { $0.cluster == there.cluster }
    case .datastoreAddress: endpoints.map { $0.datastore == there.datastore }
    case .apiserverAddress: endpoints.map { $0.apiserver == there.apiserver }
    case .extraAddresses: endpoints.map { $0.extra == there.extra }
    case .version: version.map { $0 == now.record.version }
    case .apiserverReady:
      // Without an API server there is no such fact.
      if let endpoints, (endpoints.apiserver == nil) != (there.apiserver == nil) {
        false
      } else {
        isReady.map { $0 == now.apiserverReady }
      }
    }
  }
}

extension History {
  /// For each field of the records of nodes the event since which it is as it is, in one pass back.
  func recordOrigins(
    of members: [Member], atOrBefore index: UInt64
  ) throws -> [NodeID: [RecordField: UInt64]] {
    var origins: [NodeID: [RecordField: UInt64]] = [:]
    var open: [NodeID: (member: Member, fields: Set<RecordField>)] = [:]
    for member in members { open[member.id] = (member, Set(RecordField.allCases)) }
    try backwards(from: index, types: Told.types) { events in
      for recorded in events.reversed() {
        guard let told = Told(recorded.envelope.event), let (member, fields) = open[told.node]
        else { continue }
        for field in fields {
          switch told.agrees(field, member) {
          case true?: origins[told.node, default: [:]][field] = recorded.index
          case false?: open[told.node]?.fields.remove(field)
          case nil: break
          }
        }
        if recorded.index == member.joinIndex || open[told.node]?.fields.isEmpty == true {
          open[told.node] = nil
        }
      }
      return !open.isEmpty
    }
    return origins
  }
}
