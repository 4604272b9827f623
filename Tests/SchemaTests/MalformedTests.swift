// Bytes from elsewhere: typed errors, never a trap, never a guess.

import Membership
import Raft
import Schema
import Testing

@Suite struct MalformedTests {
  @Test("A field that this version does not know changes nothing")
  func unknownFieldsArePassedOver() throws {
    for (name, event) in Samples.events {
      let envelope = Samples.envelope(event)
      let bytes =
        envelope.encoded() + Proto().varint(9, 1).fixed64(10, 2).string(15, "later").bytes
      #expect(try Envelope(decoding: bytes) == envelope, "\(name)")
    }
  }

  @Test("An event of a later version is named by its number, whatever stands before it")
  func laterEventsAreNamed() {
    let later = Proto().varint(1, 5).varint(9, 300).fixed64(10, 2).bytes(11, [1, 2])
      .message(16 + 30, Proto().string(1, "what"))
    #expect(throws: Malformed.unknownEvent(30)) { try Envelope(decoding: later.bytes) }
    let farAway = Proto().message(16 + 1000, Proto())
    #expect(throws: Malformed.unknownEvent(1000)) { try Envelope(decoding: farAway.bytes) }
    let nothing = Proto().varint(1, 5).varint(9, 300)
    #expect(throws: Malformed.missing("Envelope.event")) { try Envelope(decoding: nothing.bytes) }
    #expect(throws: Malformed.missing("Envelope.event")) { try Envelope(decoding: []) }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Body of an event, under its number in the catalogue.
    let type: EventType
    let body: Proto
    let error: Malformed

    init(_ what: String, _ type: EventType, _ body: Proto, _ error: Malformed) {
      testDescription = what
      self.type = type
      self.body = body
      self.error = error
    }
  }

  static let address = Proto().string(1, "10.0.0.1").varint(2, 25000)
  static let key = [UInt8](repeating: 1, count: 32)
  static func record(
    id: UInt64 = 1, name: String = "n1", role: UInt64 = 1, address: Proto = address,
    key: [UInt8] = key
  ) -> Proto {
    Proto().fixed64(1, id).string(2, name).varint(3, role)
      .message(4, Proto().message(1, address)).bytes(5, key)
  }
  static func joined(_ record: Proto) -> Proto { Proto().message(1, record).varint(2, 7) }
  static func imported(
    index: UInt64 = 5, hash: [UInt8] = key, file: [UInt8] = []
  ) -> Proto {
    Proto().fixed64(1, 2).message(2, record()).fixed64(3, 1).varint(4, index).bytes(5, hash)
      .bytes(6, file)
  }
  static func assigned(node: UInt64 = 1, role: UInt64 = 1, cause: UInt64 = 1) -> Proto {
    Proto().message(1, Proto().fixed64(1, node).varint(2, role)).varint(2, cause)
  }

  static let cases = [
    Case(
      "a digest of 31 bytes", .nodeJoined, joined(record(key: Array(key.dropLast()))),
      .invalid("NodeRecord.key", why: "has 31 bytes, not 32")),
    Case("no id", .nodeJoined, joined(record(id: 0)), .missing("NodeRecord.id")),
    Case("no name", .nodeJoined, joined(record(name: "")), .missing("NodeRecord.name")),
    Case(
      "no role", .nodeJoined, joined(record(role: 0)),
      .invalid("NodeRecord.role", why: "has the unknown value 0")),
    Case(
      "a role of the future", .nodeJoined, joined(record(role: 3)),
      .invalid("NodeRecord.role", why: "has the unknown value 3")),
    Case(
      "a role beyond a byte", .nodeJoined, joined(record(role: 257)),
      .invalid("NodeRecord.role", why: "has the unknown value 257")),
    Case(
      "a port beyond 65535", .nodeJoined,
      joined(record(address: Proto().string(1, "10.0.0.1").varint(2, 65536))),
      .invalid("Address.port", why: "is 65536")),
    Case(
      "port 0", .nodeJoined, joined(record(address: Proto().string(1, "10.0.0.1"))),
      .invalid("Address.port", why: "is 0")),
    Case(
      "a host that is none", .nodeJoined,
      joined(record(address: Proto().string(1, "10.0.0.999").varint(2, 1))),
      .invalid("Address.host", why: "is no IP address or host name")),
    Case(
      "no endpoints", .nodeJoined,
      Proto().message(1, Proto().fixed64(1, 1).string(2, "n1").varint(3, 1).bytes(5, key)),
      .missing("NodeRecord.endpoints")),
    Case("no node", .nodeJoined, Proto().varint(2, 7), .missing("NodeJoined.node")),
    Case(
      "a token id of 41 bits", .tokenRevoked, Proto().varint(1, 1 << 40),
      .invalid("TokenRevoked.id", why: "has more than 40 bits")),
    Case("no cluster", .clusterFormed, Proto(), .missing("ClusterFormed.cluster")),
    Case(
      "no cluster before", .clusterImported,
      Proto().fixed64(1, 2).message(2, record()), .missing("ClusterImported.source_cluster")),
    Case(
      "an index beyond all logs", .clusterImported, imported(index: 1 << 63),
      .invalid("ClusterImported.source_index", why: "is out of range: 9223372036854775808")),
    Case(
      "no hash of the history before", .clusterImported, imported(hash: []),
      .invalid("ClusterImported.source_hash", why: "has 0 bytes, not 32")),
    Case(
      "half a digest of the file", .clusterImported, imported(file: [1, 2, 3]),
      .invalid("ClusterImported.source_file", why: "has 3 bytes, not 32")),
    Case(
      "no cause", .roleAssigned, assigned(cause: 0),
      .invalid("RoleAssigned.cause", why: "has the unknown value 0")),
    Case(
      "an unknown datastore role", .roleAssigned, assigned(role: 4),
      .invalid("RoleAssigned.Assignment.role", why: "has the unknown value 4")),
    Case(
      "nobody's role", .roleAssigned, assigned(node: 0),
      .missing("RoleAssigned.Assignment.node")),
    Case("nobody", .nodeSuspected, Proto(), .missing("NodeSuspected.node")),
    Case("text that is not UTF-8", .nodeJoined, Proto().bytes(1, [0x12, 1, 0xff]), .notProtobuf),
  ]

  @Test("What no value of an event can be is refused with the field's name", arguments: cases)
  func eventsAreChecked(_ wrong: Case) {
    let bytes = Proto().message(16 + wrong.type.rawValue, wrong.body).bytes
    #expect(throws: wrong.error) { try Envelope(decoding: bytes) }
  }

  @Test("A request with oversized or unprintable words is refused before it can become an event")
  func requestsAreLimited() {
    func refuses(_ command: Command, actor: String = "root@n1", reason: String = "") -> String {
      let request = Request(
        id: Samples.command, command: command, actor: actor, reason: reason)
      do {
        _ = try Request(decoding: request.encoded())
      } catch .invalid(let field, _) {
        return field
      } catch {
        return "\(error)"
      }
      return "nothing"
    }
    #expect(refuses(.settle) == "nothing")
    #expect(refuses(.settle, reason: String(repeating: "x", count: 1024)) == "nothing")
    #expect(refuses(.settle, reason: String(repeating: "x", count: 1025)) == "Request.reason")
    #expect(refuses(.settle, reason: "clear\u{1b}[2J") == "Request.reason")
    #expect(refuses(.settle, reason: "two\nlines") == "Request.reason")
    #expect(refuses(.settle, reason: "c1 \u{9b}2J") == "Request.reason")
    #expect(refuses(.settle, reason: "ümläut, 日本") == "nothing")
    #expect(refuses(.settle, actor: String(repeating: "x", count: 513)) == "Request.actor")
    let long = Command.RemoveNode(target: String(repeating: "n", count: 301), force: false)
    #expect(refuses(.removeNode(long)) == "Command.RemoveNode.target")

    var record = Samples.worker
    record.name = String(repeating: "n", count: 254)
    #expect(refuses(.join(.init(node: record, secret: record.key))) == "NodeRecord.name")
    record = Samples.worker
    record.failureDomain = "a\tb"
    #expect(refuses(.join(.init(node: record, secret: record.key))) == "NodeRecord.failure_domain")
    record = Samples.worker
    record.endpoints.extra = Array(repeating: Samples.address("10.0.0.1:1"), count: 65)
    #expect(refuses(.join(.init(node: record, secret: record.key))) == "Endpoints.extra")

    var token = Samples.issued
    token.secrets[0].roles = [.worker, .controlPlane]
    #expect(refuses(.issueToken(token)) == "TokenIssued.Secret.roles")
    token.secrets[0].roles = []
    #expect(refuses(.issueToken(token)) == "TokenIssued.Secret.roles")
    token.secrets = []
    #expect(refuses(.issueToken(token)) == "TokenIssued.secrets")
    var roles = Samples.assigned
    roles.assignments.swapAt(0, 1)
    #expect(refuses(.assignRoles(roles)) == "RoleAssigned.assignments")
  }

  @Test("A request that did not come as bytes is held to the same")
  func localRequestsAreValidated() throws {
    for (_, request) in Samples.requests { try request.validate() }
    #expect(throws: Malformed.missing("Command.leave")) {
      try Samples.request(.leave(NodeID(0))).validate()
    }
    #expect(throws: Malformed.invalid("Request.reason", why: "holds a control character")) {
      try Samples.request(.settle, reason: "\u{7}").validate()
    }
  }

  @Test("Raft messages that no member can have sent are refused")
  func messagesAreChecked() {
    func refuses(_ body: Message.Body, from: PeerID = 1, term: Term = 7) -> Bool {
      let message = Message(from: from, to: 2, term: term, body)
      return (try? Message(decoding: message.encoded())) != message
    }
    func append(_ indices: [Index], terms: [Term], after: Index) -> Message.Body {
      .append(
        Message.Append(
          previousIndex: after, previousTerm: 1, commit: 0,
          entries: zip(indices, terms).map { Entry(index: $0, term: $1) }))
    }
    #expect(!refuses(append([5, 6], terms: [1, 2], after: 4)))
    #expect(refuses(append([5, 7], terms: [1, 2], after: 4)), "a gap")
    #expect(refuses(append([6, 7], terms: [1, 2], after: 4)), "a gap at the start")
    #expect(refuses(append([5, 6], terms: [2, 1], after: 4)), "terms fall")
    #expect(refuses(append([], terms: [], after: .max)), "an index at the end of the range")
    #expect(refuses(.timeoutNow, from: 0), "from nobody")
    #expect(refuses(.timeoutNow, term: .max), "a term at the end of the range")
    #expect(refuses(.transferLeader(target: 0)), "to nobody")
    #expect(refuses(.propose([Entry(kind: .change)])), "a change without a change")
    #expect(refuses(.propose([Entry(change: ConfigurationChange())])), "a change by the way")
    var snapshot = Samples.snapshot
    snapshot.configuration.voters = [2, 1]
    #expect(refuses(.snapshot(snapshot)), "voters out of order")
    snapshot.configuration.voters = [1, 1]
    #expect(refuses(.snapshot(snapshot)), "a voter twice")
    snapshot.configuration.voters = [0, 1]
    #expect(refuses(.snapshot(snapshot)), "nobody votes")
  }

  @Test("Frames and greetings that mean nothing are refused")
  func framesAreChecked() {
    let noon = Timestamp(milliseconds: 43_200_000)
    #expect(throws: Malformed.missing("Frame.body")) { try Frame(decoding: []) }
    let group =
      Frame.observed([Sighting(node: Samples.n1, silence: 1)], clock: noon).encoded()
      + Proto().varint(1, 3).bytes
    #expect(throws: Malformed.invalid("Frame.group", why: "names the unknown group 3")) {
      try Frame(decoding: group)
    }
    #expect(throws: Malformed.missing("Observed.node")) {
      try Frame(
        decoding: Frame.observed([Sighting(node: NodeID(0), silence: 1)], clock: noon).encoded())
    }
    for outcome: Outcome in [
      .committed(first: 0, last: 3), .committed(first: 4, last: 3),
      .committed(first: 4, last: .max), .refused(code: "", exitCode: 6, message: ""),
      .refused(code: "x", exitCode: 0, message: ""),
      .refused(code: "x", exitCode: 256, message: ""),
    ] {
      #expect(throws: Malformed.self, "\(outcome)") {
        try Frame(decoding: Frame.answer(id: 1, outcome: outcome).encoded())
      }
    }
    #expect(throws: Malformed.missing("Hello.protocol")) { try Hello(decoding: []) }
    var hello = Samples.hello
    hello.introductions = Array(repeating: hello.introductions[0], count: 17)
    #expect(throws: Malformed.invalid("Hello.introductions", why: "are 17")) {
      try Hello(decoding: hello.encoded())
    }
    hello.introductions = [Samples.hello.introductions[0]]
    hello.introductions[0].signature = []
    #expect(throws: Malformed.self) { try Hello(decoding: hello.encoded()) }
  }
}
