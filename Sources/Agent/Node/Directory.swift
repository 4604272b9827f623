// Who is who, by key: what every connection and every request is judged with.
//
// A small copy of the applied state that any thread may ask. It changes only with membership, so
// that reading it costs nothing on the way of ordinary events.

import Membership
import Schema
import Synchronization
import Transport

struct Directory: Sendable {
  struct Entry: Sendable, Equatable {
    var id: NodeID
    var name: String
    var role: NodeRole
    var cluster: Address
    var datastore: Address?
    var key: Digest
    /// Index of the event that gave it its role.
    var since: UInt64
  }

  var cluster: ClusterID
  var incarnation: UInt64
  /// Active members by key.
  var members: [Digest: Entry] = [:]
  var departed: [Digest: Departed] = [:]
  /// Control-plane nodes that are not in the log here yet, known by the join's answer or by a
  /// verified introduction.
  var introduced: [Digest: Entry] = [:]
  var endpoints: EndpointsAnswer
  /// Whether the log here has told of any member.
  var isFormed = false

  init(cluster: ClusterID) {
    self.cluster = cluster
    incarnation = 0
    endpoints = EndpointsAnswer(
      cluster: cluster.description, incarnation: 0, index: 0, servers: [])
  }

  /// The same after more events; what is in the log needs no introduction any more.
  func following(_ state: Cluster) -> Directory {
    var next = self
    next.incarnation = state.incarnation
    next.isFormed = state.isFormed
    next.members = [:]
    next.departed = [:]
    for member in state.nodes where member.isActive {
      next.members[member.record.key] = Entry(
        id: member.id, name: member.name, role: member.record.role,
        cluster: member.record.endpoints.cluster, datastore: member.record.endpoints.datastore,
        key: member.record.key, since: member.roleIndex)
    }
    for gone in state.departed { next.departed[gone.key] = gone }
    next.introduced = introduced.filter { key, entry in
      guard next.departed[key] == nil else { return false }
      return next.members[key].map { $0.role == .worker && $0.since < entry.since } ?? true
    }
    next.endpoints = EndpointsAnswer(state)
    return next
  }

  /// Who that key belongs to: as the log here has it, or, where the log has not come so far, as
  /// introduced by a control-plane node. A worker may have been promoted meanwhile.
  func entry(_ key: Digest) -> Entry? { introduced[key] ?? members[key] }

  /// Follows a chain of introductions from a member that is known here to the one who speaks.
  func entry(introducedBy hello: Hello, key: Digest) -> Entry? {
    var trusted = Set(members.filter { $0.value.role == .controlPlane }.keys)
    trusted.formUnion(introduced.keys)
    for introduction in hello.introductions {
      guard introduction.cluster == cluster,
        let signer = Digest(bytes: NodeIdentity.keyDigest(ofPublicKey: introduction.signer)),
        trusted.contains(signer), departed[introduction.key] == nil,
        NodeIdentity.verify(
          signature: introduction.signature, over: introduction.statement,
          publicKeyDER: introduction.signer)
      else { continue }
      // Nobody introduces who became a worker later, least of all itself.
      if let known = members[introduction.key], known.role == .worker,
        introduction.index <= known.since
      {
        continue
      }
      trusted.insert(introduction.key)
      if introduction.key == key, introduction.node == hello.node, let datastore = hello.datastore {
        return Entry(
          id: hello.node, name: hello.node.description, role: .controlPlane, cluster: datastore,
          datastore: datastore, key: key, since: introduction.index)
      }
    }
    return nil
  }

  /// Whether links with that key may go on.
  func admits(_ key: Digest) -> Bool {
    departed[key] == nil && entry(key)?.role != .worker
  }

  /// A member's name; its id where it is not known here.
  func name(of node: NodeID) -> String {
    members.values.first { $0.id == node }?.name ?? node.description
  }

  /// Where a node's datastore is, as the log or an introduction has it.
  func datastore(of node: UInt64) -> Address? {
    let known = members.values.first { $0.id.rawValue == node }
    return known?.datastore ?? introduced.values.first { $0.id.rawValue == node }?.datastore
  }

  /// Control-plane nodes to keep links with, this node not among them.
  func peers(without own: NodeID) -> [Entry] {
    var out = members.values.filter { $0.role == .controlPlane && $0.id != own }
    out += introduced.values.filter { $0.id != own }
    return out.sorted { $0.id < $1.id }
  }
}

extension EndpointsAnswer {
  /// What workers are told: API servers to use, and the control plane with its keys.
  init(_ state: Cluster) {
    let serving = Set(state.servingAPI.map(\.id))
    self.init(
      cluster: state.id.description, incarnation: state.incarnation, index: state.endpointIndex,
      servers: state.controlPlane.map { member in
        Server(
          node: member.id.description, name: member.name,
          apiserver: serving.contains(member.id)
            ? member.record.endpoints.apiserver?.description : nil,
          cluster: member.record.endpoints.cluster.description,
          key: member.record.key.description)
      })
  }
}
