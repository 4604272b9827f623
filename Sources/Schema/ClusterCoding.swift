// A state as a checkpoint keeps it. A checkpoint only saves time: it can be thrown away and the log
// be folded from its beginning, so its bytes are not frozen. They begin with a version and end with
// a sum that finds every flipped bit; what is not exactly as written is not read at all.

package import Membership

extension Cluster {
  /// Raised whenever the bytes or the fold change: a checkpoint of another version is not used.
  private static let checkpointVersion: UInt64 = 5

  /// The state but for its commands, quick to read again: about a tenth of the time that folding
  /// its events takes.
  package func packed() -> PackedState {
    var out = PackedWriter()
    out.beginRecord()
    out.put(Self.checkpointVersion)
    out.putFixed(id.rawValue)
    out.put(incarnation)
    out.put(formed)
    out.put(leader) { $0.putFixed($1.rawValue) }
    out.put(term)
    out.put(joint) { out, joint in
      out.put(joint.outgoing) { $0.putFixed($1.rawValue) }
      out.put(joint.attribution)
      out.put(joint.index)
    }
    out.put(departure) { out, departure in
      out.putFixed(departure.node.rawValue)
      out.put(UInt64(departure.kind.rawValue))
      out.put(departure.forced)
      out.put(departure.attribution)
      out.put(departure.index)
      out.put(departure.settled)
    }
    out.put(UInt64(policy.voters))
    out.put(UInt64(policy.standbys))
    out.put(policy.suspectAfter) { $0.put(UInt64($1)) }
    out.put(policy.recoverAfter) { $0.put(UInt64($1)) }
    out.put(policy.spread)
    out.put(policyIndex)
    out.put(lastIndex)
    out.put(lastTime)
    out.put(endpointIndex)
    out.putRecords(nodes) { $0.put($1) }
    out.putRecords(departed) { $0.put($1) }
    out.putRecords(tokens) { $0.put($1) }
    out.beginRecord()
    out.putCertificates(nodes)
    return PackedState(index: lastIndex, bytes: out.bytes, starts: out.starts)
  }

  /// The commands that are remembered.
  package func packedCommands() -> [UInt8] {
    var out = PackedWriter()
    var before: Sessions.Session?
    out.put(sessions.all) { out, session in
      out.put(session, after: before)
      before = session
    }
    out.put(sessions.forgotten) { $0.put($1) }
    return out.bytes
  }

  /// Reads what was packed, to the last byte.
  /// - Parameters:
  ///   - commands: whether to remember the commands that follow.
  ///   - mayGoOn: whether they do follow.
  init(_ input: inout PackedReader, commands: Bool, mayGoOn: Bool) throws(Malformed) {
    guard try input.number() == Self.checkpointVersion else {
      throw .invalid("Checkpoint", why: "is of another version")
    }
    try self.init(versioned: &input, commands: commands)
    guard input.isAtEnd || mayGoOn && !commands else { throw input.invalid("goes on") }
  }

  private init(versioned input: inout PackedReader, commands: Bool) throws(Malformed) {
    let id = ClusterID(try input.fixed())
    let incarnation = try input.number()
    let formed = try input.time()
    let leader = try input.flag() ? NodeID(try input.fixed()) : nil
    let term = try input.number()
    let joint = try input.flag() ? try input.joint() : nil
    let departure = try input.flag() ? try input.departure() : nil
    let policy = try input.policy()
    let policyIndex = try input.number()
    let lastIndex = try input.number()
    let lastTime = try input.time()
    let endpointIndex = try input.number()
    var nodes: [Member] = []
    for place in try input.records() { nodes.append(try input.record(place)) }
    let (departed, tokens) = (try input.records(), try input.records())
    try input.certificates(&nodes)
    let sessions = commands ? try input.sessions() : Sessions(kept: false)
    self.init(
      id: id, incarnation: incarnation, formed: formed, nodes: nodes,
      departed: commands ? try input.records(departed) : [],
      tokens: commands ? try input.records(tokens) : [], leader: leader, term: term, joint: joint,
      departure: departure,
      policy: policy, policyIndex: policyIndex, lastIndex: lastIndex, lastTime: lastTime,
      endpointIndex: endpointIndex,
      sessions: sessions,
      unread: commands ? nil : (input.unread(departed), input.unread(tokens)))
  }
}

extension Member: PackedRecord {
  static func read(_ input: inout PackedReader) throws(Malformed) -> Member {
    try input.member()
  }
  static func words(_ id: NodeID) -> [UInt64] { [id.rawValue.byteSwapped] }
}

extension Departed: PackedRecord {
  static func read(_ input: inout PackedReader) throws(Malformed) -> Departed {
    try input.departed()
  }
  static func words(_ key: Digest) -> [UInt64] {
    key.words.indices.map { key.words[$0] }
  }
}

extension Token: PackedRecord {
  static func read(_ input: inout PackedReader) throws(Malformed) -> Token {
    try input.token()
  }
  static func words(_ id: TokenID) -> [UInt64] { [id.rawValue.byteSwapped] }
}

extension PackedWriter {
  fileprivate mutating func put(_ id: CommandID) {
    putFixed(id.high)
    putFixed(id.low)
  }

  /// There are thousands, so what is nearly as in the one before is told by the difference: from
  /// 38 bytes to some 24. Differences wrap round, so that any value can be told.
  fileprivate mutating func put(_ session: Sessions.Session, after previous: Sessions.Session?) {
    let time = session.time.milliseconds
    put(session.first &- (previous?.first ?? 0))
    put(session.latest &- session.first)
    put(UInt64(bitPattern: time &- (previous?.time.milliseconds ?? 0)))
    put((UInt64(bitPattern: time) &- session.command.high >> 16) & 0xffff_ffff_ffff)
    put(session.command.high & 0xffff)
    putFixed(session.command.low)
    putFixed(session.fingerprint)
  }

  fileprivate mutating func put(_ attribution: Attribution) {
    put(attribution.command)
    putFixed(attribution.fingerprint)
    put(attribution.actor)
    put(attribution.reason)
  }

  fileprivate mutating func put(_ member: Member) {
    let record = member.record
    putFixed(record.id.rawValue)
    put(record.name)
    put(UInt64(record.role.rawValue))
    put(record.endpoints.cluster.description)
    put(record.endpoints.datastore) { $0.put($1.description) }
    put(record.endpoints.apiserver) { $0.put($1.description) }
    put(record.endpoints.extra) { $0.put($1.description) }
    put(record.key)
    put(record.failureDomain)
    put(record.version)
    put(member.joined)
    put(member.joinIndex)
    put(member.token) { $0.put($1.rawValue) }
    put(UInt64(member.datastoreRole?.rawValue ?? 0))
    if case .left(let index, let time) = member.state {
      put(true)
      put(index)
      put(time)
    } else {
      put(false)
    }
    put(member.apiserverReady)
    put(member.suspectedSince) { $0.put($1) }
    put(member.lostSince) { $0.put($1) }
    put(member.maintenance) { out, maintenance in
      out.put(maintenance.index)
      out.put(maintenance.since)
      out.put(maintenance.until) { $0.put($1) }
    }
    put(member.lentTo) { $0.putFixed($1.rawValue) }
    put(member.suspicions) { $0.put($1) }
    put(member.endpointIndex)
    put(member.roleIndex)
  }

  fileprivate mutating func put(_ gone: Departed) {
    put(gone.key)
    putFixed(gone.node.rawValue)
    put(gone.name)
    switch gone.how {
    case .left: put(UInt64(0))
    case .removed(let forced): put(UInt64(forced ? 2 : 1))
    case .leftBehind: put(UInt64(3))
    case .replaced(let by):
      put(UInt64(4))
      putFixed(by.rawValue)
    }
    put(gone.index)
    put(gone.time)
    put(gone.actor)
    put(gone.reason)
  }

  fileprivate mutating func put(_ token: Token) {
    putFixed(token.issued.id.rawValue)
    put(token.issued.secrets) { out, secret in
      out.put(secret.hash)
      out.put(secret.roles) { $0.put(UInt64($1.rawValue)) }
    }
    put(UInt64(token.issued.uses))
    put(token.issued.expires) { $0.put($1) }
    put(token.index)
    put(token.time)
    put(token.actor)
    put(token.redemptions) { out, redemption in
      out.putFixed(redemption.node.rawValue)
      out.put(redemption.name)
      out.put(redemption.index)
      out.put(redemption.time)
    }
    put(token.revocation) { out, revocation in
      out.put(revocation.index)
      out.put(revocation.time)
      out.put(revocation.actor)
    }
  }
}

extension PackedReader {
  /// One of an enumeration's values.
  private mutating func choice<Value: RawRepresentable<UInt8>>() throws(Malformed) -> Value {
    guard let raw = UInt8(exactly: try number()), let value = Value(rawValue: raw) else {
      throw invalid("has an unknown value")
    }
    return value
  }

  private mutating func address() throws(Malformed) -> Address {
    guard let address = Address(try text()) else { throw invalid("has no address") }
    return address
  }

  private mutating func command() throws(Malformed) -> CommandID {
    CommandID(high: try fixed(), low: try fixed())
  }

  private mutating func attribution() throws(Malformed) -> Attribution {
    Attribution(
      command: try command(), fingerprint: try fixed(), actor: try text(), reason: try text())
  }

  fileprivate mutating func member() throws(Malformed) -> Member {
    let id = NodeID(try fixed())
    let name = try text()
    let role: NodeRole = try choice()
    var endpoints = Endpoints(cluster: try address())
    if try flag() { endpoints.datastore = try address() }
    if try flag() { endpoints.apiserver = try address() }
    for _ in 0..<(try count()) { endpoints.extra.append(try address()) }
    var member = Member(
      record: NodeRecord(
        id: id, name: name, role: role, endpoints: endpoints, key: try digest(),
        failureDomain: try text(), version: try text()),
      joined: try time(), joinIndex: try number(), endpointIndex: 0)
    if try flag() { member.token = TokenID(try number()) }
    let datastoreRole = try number()
    if datastoreRole != 0 {
      guard let role = UInt8(exactly: datastoreRole).flatMap(DatastoreRole.init) else {
        throw invalid("has an unknown role")
      }
      member.datastoreRole = role
    }
    if try flag() { member.state = .left(index: try number(), time: try time()) }
    member.apiserverReady = try flag()
    if try flag() { member.suspectedSince = try time() }
    if try flag() { member.lostSince = try time() }
    if try flag() {
      member.maintenance = .init(
        index: try number(), since: try time(), until: try flag() ? try time() : nil)
    }
    if try flag() { member.lentTo = NodeID(try fixed()) }
    for _ in 0..<(try count()) { member.suspicions.append(try time()) }
    member.endpointIndex = try number()
    member.roleIndex = try number()
    return member
  }

  fileprivate mutating func departed() throws(Malformed) -> Departed {
    let (key, node, name) = (try digest(), NodeID(try fixed()), try text())
    let how: Departed.How
    switch try number() {
    case 0: how = .left
    case 1: how = .removed(forced: false)
    case 2: how = .removed(forced: true)
    case 3: how = .leftBehind
    case 4: how = .replaced(by: NodeID(try fixed()))
    default: throw invalid("has an unknown way to depart")
    }
    return Departed(
      node: node, name: name, key: key, how: how, index: try number(), time: try time(),
      actor: try text(), reason: try text())
  }

  /// Nearly always one role: then the array is one that there is already, for there are thousands.
  private mutating func roles() throws(Malformed) -> [NodeRole] {
    let count = try count()
    guard count != 1 else {
      switch try choice() as NodeRole {
      case .controlPlane: return Self.controlPlane
      case .worker: return Self.worker
      }
    }
    var roles: [NodeRole] = []
    for _ in 0..<count { roles.append(try choice()) }
    return roles
  }

  private static let (controlPlane, worker): ([NodeRole], [NodeRole]) = ([.controlPlane], [.worker])

  fileprivate mutating func token() throws(Malformed) -> Token {
    let raw = try fixed()
    let id = TokenID(raw)
    guard id.rawValue == raw else { throw invalid("has a token id that is too large") }
    var secrets: [TokenIssued.Secret] = []
    for _ in 0..<(try count()) {
      secrets.append(.init(hash: try digest(), roles: try roles()))
    }
    guard let uses = UInt32(exactly: try number()) else { throw invalid("has too many uses") }
    let expires = try flag() ? try time() : nil
    let (index, time, actor) = (try number(), try time(), try text())
    var redemptions: [Token.Redemption] = []
    for _ in 0..<(try count()) {
      redemptions.append(
        .init(
          node: NodeID(try fixed()), name: try text(), index: try number(), time: try self.time()))
    }
    let revocation =
      try flag()
      ? Token.Revocation(index: try number(), time: try self.time(), actor: try text()) : nil
    return Token(
      issued: TokenIssued(id: id, secrets: secrets, uses: uses, expires: expires),
      index: index, time: time, actor: actor, redemptions: redemptions, revocation: revocation)
  }

  fileprivate mutating func joint() throws(Malformed) -> JointRoles {
    var outgoing: [NodeID] = []
    for _ in 0..<(try count()) { outgoing.append(NodeID(try fixed())) }
    return JointRoles(
      outgoing: outgoing, attribution: try attribution(), index: try number())
  }

  fileprivate mutating func departure() throws(Malformed) -> Departure {
    Departure(
      node: NodeID(try fixed()), kind: try choice(), forced: try flag(),
      attribution: try attribution(), index: try number(), settled: try flag())
  }

  fileprivate mutating func policy() throws(Malformed) -> Policy {
    let policy = Policy(
      voters: Int(truncatingIfNeeded: try number()),
      standbys: Int(truncatingIfNeeded: try number()),
      suspectAfter: try flag() ? UInt32(truncatingIfNeeded: try number()) : nil,
      recoverAfter: try flag() ? UInt32(truncatingIfNeeded: try number()) : nil,
      spread: try flag())
    guard policy.flaw == nil else { throw invalid("has settings that cannot be") }
    return policy
  }

  fileprivate mutating func sessions() throws(Malformed) -> Sessions {
    let count = try count()
    var sessions: [Sessions.Session] = []
    sessions.reserveCapacity(min(count, Sessions.limit))
    for _ in 0..<count { sessions.append(try session(after: sessions.last)) }
    return Sessions(restoring: sessions, forgotten: try flag() ? try time() : nil)
  }

  private mutating func session(
    after previous: Sessions.Session?
  ) throws(Malformed) -> Sessions.Session {
    let first = (previous?.first ?? 0) &+ (try number())
    let latest = first &+ (try number())
    let time = (previous?.time.milliseconds ?? 0) &+ Int64(bitPattern: try number())
    let drawn = UInt64(bitPattern: time) &- (try number())
    let high = drawn << 16 | (try number()) & 0xffff
    return Sessions.Session(
      command: CommandID(high: high, low: try fixed()), fingerprint: try fixed(), first: first,
      latest: latest, time: Timestamp(milliseconds: time))
  }
}
