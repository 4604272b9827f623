// The state of a cluster: what the log says, folded. A value with two ways in: `decide` asks it
// what a request would do and never changes it; `evolve` applies an event that happened and never
// refuses. Nothing else changes it, so that equal prefixes of the log give equal states everywhere
// and at any later time. It knows no clock, no randomness and no live opinion.

/// The membership after some prefix of the log.
package struct Cluster: Equatable, Sendable {
  package internal(set) var id: ClusterID
  /// 0 before the cluster is formed, 1 from then on; raised when a lost quorum is overridden, and
  /// where another cluster begins with this log.
  package internal(set) var incarnation: UInt64
  package internal(set) var formed: Timestamp
  var roster: Register<Member>
  /// Control-plane nodes of the roster in its order: there are few, whatever the number of workers.
  var controlPlaneIDs: [NodeID]
  /// The ids of nodes that left and whose records are open.
  var leftByName: [String: NodeID]
  var tombstones: Register<Departed>
  var invitations: Register<Token>
  var invitationsBySecret: SecretIndex
  /// Who leads, as the newest `leader.elected` has it.
  package internal(set) var leader: NodeID?
  package internal(set) var term: UInt64
  package internal(set) var joint: JointRoles?
  package internal(set) var departure: Departure?
  package internal(set) var policy: Policy
  /// Index of the event that last changed it; 1 if none did.
  package internal(set) var policyIndex: UInt64
  /// Index and time of the last event applied; 0 before the first.
  package internal(set) var lastIndex: UInt64
  package internal(set) var lastTime: Timestamp
  /// Index of the last event that changed the control plane's endpoints, keys or readiness.
  package internal(set) var endpointIndex: UInt64
  package internal(set) var sessions: Sessions

  /// The state before the first event.
  /// - Parameter commands: whether it will remember which commands were carried out. One that does
  ///   not is to be looked at: it must decide nothing that is carried out.
  package init(commands: Bool = true) {
    self.init(
      id: ClusterID(0), incarnation: 0, formed: Timestamp(milliseconds: 0),
      sessions: Sessions(kept: commands))
  }

  /// A state from its parts, as a checkpoint kept them. `nodes` in the order of joining.
  /// - Parameter unread: the departed and the tokens, if they are to be read when they are asked
  ///   for.
  package init(
    id: ClusterID, incarnation: UInt64, formed: Timestamp, nodes: [Member] = [],
    departed: [Departed] = [], tokens: [Token] = [], leader: NodeID? = nil, term: UInt64 = 0,
    joint: JointRoles? = nil, departure: Departure? = nil, policy: Policy = Policy(),
    policyIndex: UInt64 = 1,
    lastIndex: UInt64 = 0, lastTime: Timestamp = Timestamp(milliseconds: 0),
    endpointIndex: UInt64 = 0,
    sessions: Sessions = Sessions(),
    unread: (departed: Unread<Departed>, tokens: Unread<Token>)? = nil
  ) {
    self.id = id
    self.incarnation = incarnation
    self.formed = formed
    roster = Register(nodes)
    controlPlaneIDs = nodes.filter(\.isControlPlane).map(\.id)
    leftByName = [:]
    for member in nodes where !member.isActive { leftByName[member.name] = member.id }
    tombstones = unread.map { Register(unread: $0.departed) } ?? Register(departed)
    invitations = unread.map { Register(unread: $0.tokens) } ?? Register(tokens)
    invitationsBySecret = SecretIndex(sessions.isKept ? tokens : nil)
    self.leader = leader
    self.term = term
    self.joint = joint
    self.departure = departure
    self.policy = policy
    self.policyIndex = policyIndex
    self.lastIndex = lastIndex
    self.lastTime = lastTime
    self.endpointIndex = endpointIndex
    self.sessions = sessions
  }
}

/// The newest token with a secret whose digest begins so: there are many, and every command about
/// tokens asks. A state that is only looked at has none. It follows from the tokens, so that states
/// with equal tokens are equal, whatever they have of this.
struct SecretIndex: Equatable, Sendable {
  private var tokens: [UInt64: TokenID]?

  /// - Parameter tokens: nil for a state that is only looked at.
  init(_ tokens: [Token]?) {
    guard let tokens else { return }
    self.tokens = Dictionary(minimumCapacity: tokens.count)
    for token in tokens { add(token.issued) }
  }

  mutating func add(_ issued: TokenIssued) {
    for secret in issued.secrets { tokens?[secret.hash.words[0]] = issued.id }
  }

  enum Answer { case found(TokenID?), unknown }

  subscript(_ secret: Digest) -> Answer {
    tokens.map { .found($0[secret.words[0]]) } ?? .unknown
  }

  static func == (a: SecretIndex, b: SecretIndex) -> Bool { true }
}

// Questions.
extension Cluster {
  package var isFormed: Bool { incarnation > 0 }

  /// Whether it knows which commands were carried out.
  package var remembersCommands: Bool { sessions.isKept }

  /// The same without them.
  package var withoutCommands: Cluster {
    var bare = self
    bare.sessions = Sessions(kept: false)
    return bare
  }

  /// In the order of joining. Left nodes are among them until their record is closed.
  package var nodes: [Member] { roster.all }

  /// Tombstones in log order; never shortened.
  package var departed: [Departed] { tombstones.all }

  /// In the order of issue.
  package var tokens: [Token] { invitations.all }

  package func node(_ id: NodeID) -> Member? { roster[id] }

  /// The active node of that name, else the left one.
  package func node(named name: String) -> Member? {
    nodes.first { $0.isActive && $0.name == name } ?? leftByName[name].flatMap { roster[$0] }
  }

  /// The active node with that key.
  package func activeNode(key: Digest) -> Member? {
    nodes.first { $0.isActive && $0.record.key == key }
  }

  /// The tombstone of that key.
  package func departed(key: Digest) -> Departed? { tombstones[key] }

  package func departed(_ id: NodeID) -> Departed? { tombstones.first { $0.node == id } }

  package func token(_ id: TokenID) -> Token? { invitations[id] }

  /// The newest token with that secret, and the roles that the secret admits.
  package func token(secret: Digest) -> (token: Token, roles: [NodeRole])? {
    func match(_ token: Token) -> (token: Token, roles: [NodeRole])? {
      token.issued.secrets.first { $0.hash == secret }.map { (token, $0.roles) }
    }
    if case .found(let id) = invitationsBySecret[secret] {
      guard let id, let newest = invitations[id] else { return nil }
      // Where the digests of two secrets begin alike, the one that was asked for may be older.
      if let found = match(newest) { return found }
    }
    return tokens.reversed().lazy.compactMap(match).first
  }

  /// Active control-plane nodes in the order of joining.
  package var controlPlane: [Member] {
    controlPlaneIDs.compactMap { roster[$0] }.filter(\.isActive)
  }

  /// Nodes with that role in the order of joining.
  package func nodes(_ role: DatastoreRole) -> [Member] {
    controlPlane.filter { $0.datastoreRole == role }
  }

  /// Sorted by id, as Raft's configuration has them.
  package var voters: [NodeID] { nodes(.voter).map(\.id).sorted() }

  /// Who voted before, while the configuration is joint; else empty. Sorted.
  package var outgoingVoters: [NodeID] { joint?.outgoing ?? [] }

  /// Voters that count as far as the log knows, of both halves of a joint configuration: neither
  /// suspected nor without what they had acknowledged.
  package var soundVoters: Set<NodeID> {
    Set((voters + outgoingVoters).filter { roster[$0]?.isSound ?? false })
  }

  /// Active control-plane nodes whose Kubernetes API workers should use: those neither suspected
  /// nor unready; if none is left, all that have one. In the order of joining.
  package var servingAPI: [Member] {
    let all = controlPlane.filter { $0.record.endpoints.apiserver != nil }
    let fit = all.filter { !$0.isSuspected && $0.apiserverReady }
    return fit.isEmpty ? all : fit
  }

  /// The name of that node, departed or not; its id if it is unknown.
  package func name(of id: NodeID) -> String {
    roster[id]?.name ?? departed(id)?.name ?? id.description
  }
}
