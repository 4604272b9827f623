// Why workers are told of the API servers that they are told of: since which event each is listed,
// or is not.

import Membership
import Projections

extension Why {
  static func endpoints(_ history: History, _ state: Cluster) throws -> Why {
    let serving = Set(state.servingAPI.map(\.id))
    let since = try history.listingOrigins(state)
    var verdict: [String] = []
    var ends: [(index: UInt64?, words: String)] = [
      (state.endpointIndex, "the last change of what workers are told")
    ]
    for member in state.controlPlane {
      guard let address = member.record.endpoints.apiserver else {
        verdict.append("\(member.name) has no api server")
        continue
      }
      let isListed = serving.contains(member.id)
      let words = "\(member.name) is \(isListed ? "" : "not ")listed from here on"
      ends.append((since[member.id], words))
      if isListed {
        let alone = member.isSuspected || !member.apiserverReady
        verdict.append(
          "\(address) (\(member.name)) is listed"
            + (alone ? " although it is not fit: no other is" : ""))
        ends.append((member.endpointIndex, "\(member.name) told where it serves"))
      } else if member.isSuspected {
        verdict.append("\(address) (\(member.name)) is not listed: it is suspected")
        let found = try history.lastSuspicion(of: member.id, before: state.lastIndex + 1)
        ends.append((found?.index, "put \(member.name) under suspicion"))
      } else {
        verdict.append("\(address) (\(member.name)) is not listed: its api server is not ready")
        ends.append((member.endpointIndex, "\(member.name) told that it does not serve"))
      }
    }
    ends += gone(since, state)
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 1))
  }

  /// Of those that were listed and are in the control plane no more, the newest.
  private static func gone(
    _ since: [NodeID: UInt64], _ state: Cluster
  ) -> [(index: UInt64?, words: String)] {
    let here = Set(state.controlPlane.map(\.id))
    // Of the cluster before nobody is listed: that is all that there is to say.
    let seam = state.departed.last { $0.how == .leftBehind }?.index ?? 0
    let gone = since.filter { !here.contains($0.key) && $0.value >= seam }.sorted {
      ($0.value, $0.key) > ($1.value, $1.key)
    }
    return gone.prefix(goneTold).flatMap { id, index -> [(index: UInt64?, words: String)] in
      let tombstone = state.departed(id)
      if tombstone?.how == .leftBehind, tombstone?.index == index {
        return [(index, "nobody of the cluster before is listed from here on")]
      }
      let name = state.name(of: id)
      let isReused = state.node(named: name).map { $0.id != id } ?? false
      let label = isReused ? "\(name) (\(id))" : name
      let listing: (UInt64?, String) = (index, "\(label) is not listed from here on")
      guard let tombstone, tombstone.index != index else { return [listing] }
      return [listing, (tombstone.index, "\(label) is no member from here on")]
    }
  }

  /// So many are told, if so many events or fewer ago.
  fileprivate static let (goneTold, goneWithin): (Int, UInt64) = (3, 20_000)
}

extension History {
  /// For each control-plane node of a state the event since which its API server is listed, or is
  /// not; nil if it never was. Others that were listed are told as well, if that is not long ago.
  fileprivate func listingOrigins(_ state: Cluster) throws -> [NodeID: UInt64] {
    let here = Set(state.controlPlane.map(\.id))
    let gone = min(Why.goneTold, state.departed.count)
    return try lastChanges(
      atOrBefore: state.lastIndex,
      types: Self.listingTypes, of: { $0.servingAPI.map(\.id) },
      where: { before, after in
        before == after ? [] : Array(Set(before).symmetricDifference(after))
      },
      until: { found, index in
        here.allSatisfy { found[$0] != nil }
          && (found.count >= here.count + gone || index + Why.goneWithin < state.lastIndex)
      }
    ).mapValues(\.index)
  }

  /// The event that last changed the addresses that workers are told.
  func lastChange(ofListing state: Cluster) throws -> UInt64? {
    try lastChanges(
      atOrBefore: state.endpointIndex, types: Self.listingTypes,
      of: { EndpointList($0).apiservers }, where: { $0 == $1 ? [] : [0] },
      until: { found, _ in !found.isEmpty }
    )[0]?.index ?? state.endpointIndex
  }

  /// Events that can change whose API servers are listed.
  private static let listingTypes: Set<EventType> = [
    .clusterFormed, .clusterImported, .nodeJoined, .nodeLeft, .nodeRemoved, .nodeReplaced,
    .nodePromoted, .nodeDemoted, .endpointRefreshed, .nodeSuspected, .nodeRecovered,
  ]
}
