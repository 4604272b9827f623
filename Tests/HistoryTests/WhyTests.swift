// What `why` cites is what happened to whom it was asked about: laws over a life with replaced,
// removed, returned and demoted nodes, at every index of it.

import History
import Membership
import Projections
import Testing

@Suite("Why, over a life with turns")
struct WhyTests {
  /// n1 to n3 vote. The worker n4 leaves and its record is closed, the worker n5 is removed; n3 is
  /// lost, and one of its name takes its place; another n5 comes in. n2 comes back with an old copy
  /// of its disk. One voter is enough in the end, and n6 is a worker.
  private func story() throws -> Story {
    var story = Story()
    story.append(.clusterFormed(ClusterFormed(cluster: ClusterID(7), first: record(1))))
    story.append(.leaderElected(LeaderElected(node: NodeID(1))), term: 2)
    for n in 2...3 { try story.join(n) }
    try story.refresh(1, isReady: true)
    for n in 4...5 { try story.join(n, .worker) }
    try story.ask(.leave(NodeID(4)), actor: "root@n4")
    try story.ask(.removeNode(.init(target: "n4", force: false)))
    try story.ask(.removeNode(.init(target: "n5", force: true)), reason: "sold")
    story.up = [NodeID(1), NodeID(2)]
    try story.ask(.suspect(NodeID(3)), actor: "n1")
    try story.keepRoles()
    try story.join(30, as: "n3", replaces: "n3")
    story.up = nil
    try story.keepRoles()
    try story.join(50, as: "n5", .worker)
    try story.refresh(2, isReady: false)
    try story.refresh(2, isReady: true)
    story.append(
      .replicaLost(ReplicaLost(node: NodeID(2), acknowledged: 20, found: 12, boot: 3)))
    story.append(.replicaRefetched(ReplicaRefetched(node: NodeID(2), index: 30)))
    try story.ask(.changePolicy(PolicyChanged(suspectAfter: 180_000)))
    try story.join(6, .worker)
    try story.ask(.changePolicy(PolicyChanged(voters: 1)), actor: "root@n2")
    try story.keepRoles()
    return story
  }

  /// Roles change besides: n6 becomes a control-plane node, n2 a worker while it is suspected and a
  /// control-plane node again; n6 leaves while it is suspected.
  private func turned() throws -> Story {
    var story = try story()
    try story.ask(
      .changeRole(
        .init(target: "n6", role: .controlPlane, endpoints: record(6, .controlPlane).endpoints)))
    try story.keepRoles()
    try story.refresh(6, isReady: true)
    story.append(.nodeSuspected(NodeSuspected(node: NodeID(2))))
    try story.ask(.changeRole(.init(target: "n2", role: .worker)))
    try story.keepRoles()
    try story.ask(
      .changeRole(
        .init(target: "n2", role: .controlPlane, endpoints: record(2).endpoints)))
    try story.keepRoles()
    story.append(.nodeSuspected(NodeSuspected(node: NodeID(6))))
    try story.ask(.leave(NodeID(6)), actor: "root@n6")
    try story.keepRoles()
    return story
  }

  private func chain(
    _ story: Story, _ question: String, at index: UInt64? = nil
  ) throws -> [(index: UInt64, words: [Substring])] {
    try Why(story.history, question, at: index ?? story.history.head).chain.map {
      ($0.line.recorded.index, $0.words.split(separator: "; "))
    }
  }

  private func last(_ type: EventType, _ story: Story) throws -> UInt64 {
    try #require(try story.history.last(atOrBefore: story.history.head, types: [type])).index
  }

  @Test("Why a node names the event that let it in, and no other")
  func joining() throws {
    let story = try story()
    for state in story.states where state.isFormed {
      for member in state.nodes where member.isActive {
        let told = try chain(story, member.name, at: state.lastIndex).filter {
          $0.words.contains("\(member.name) became a member")
        }
        #expect(told.map(\.index) == [member.joinIndex], "\(member.name) at \(state.lastIndex)")
      }
    }
  }

  @Test("Why endpoints names for each API server the event since which it is listed, or is not")
  func listing() throws {
    for story in [try story(), try turned()] { try listing(story) }
  }

  private func listing(_ story: Story) throws {
    for state in story.states where state.isFormed {
      let chain = try chain(story, "endpoints", at: state.lastIndex)
      for (index, words) in chain {
        let (before, after) = (story.listed(Int(index) - 1), story.listed(Int(index)))
        for part in words where part.hasSuffix(" listed from here on") {
          let moved =
            part.contains(" is not ") ? before.subtracting(after) : after.subtracting(before)
          let name = part.prefix { $0 != " " }
          #expect(moved.contains { story.cluster.name(of: $0) == name }, "\(part) at \(index)")
        }
      }
      for member in state.controlPlane {
        let isListed = story.listed(Int(state.lastIndex)).contains(member.id)
        let since = (1...Int(state.lastIndex)).last {
          story.listed($0).contains(member.id) != story.listed($0 - 1).contains(member.id)
        }
        guard let since else { continue }
        let words = "\(member.name) is \(isListed ? "" : "not ")listed from here on"
        #expect(
          chain.contains { Int($0.index) == since && $0.words.contains(words[...]) },
          "\(words) \(since) at \(state.lastIndex)")
      }
    }
  }

  @Test("Why endpoints names no worker, and those who are gone by what took them off the list")
  func offTheList() throws {
    let story = try story()
    let text = try Why(story.history, "endpoints", at: story.history.head).text
    #expect(!text.contains("n4") && !text.contains("n5"), "\(text)")
    let suspected = try last(.nodeSuspected, story)
    let gone = "n3 (\(NodeID(3))) is not listed from here on"
    #expect(
      try chain(story, "endpoints").contains {
        $0.index == suspected && $0.words.contains(gone[...])
      }, "\(text)")
  }

  @Test("Who is there to vote changes with nodes of the control plane alone")
  func voting() throws {
    let story = try turned()
    var told = 0
    for state in story.states where state.isFormed {
      for question in ["ha", "n1", "n2", "n3"] where question == "ha" || state.knows(question) {
        for (index, words) in try chain(story, question, at: state.lastIndex)
        where words.contains("changed who is there to vote") {
          let event = try story.history.event(at: index).envelope.event
          let states = [story.states[Int(index) - 1], story.states[Int(index)]]
          let isDecisive = event == .rolesSettled(.init())
          let isVoting = event.nodes.contains { node in
            states.contains { $0.node(node).map { $0.isActive && $0.isControlPlane } ?? false }
          }
          #expect(isDecisive || isVoting, "\(index) for \(question) at \(state.lastIndex)")
          told += 1
        }
      }
    }
    #expect(told > 10)
  }

  @Test("A setting goes back to the event that last changed its value, or to the beginning")
  func policy() throws {
    var story = try story()
    try story.ask(.changePolicy(PolicyChanged(voters: 1, standbys: 2, spread: true)))
    try story.goOn()
    for state in story.states where state.isFormed {
      let lines = try Blame.lines(story.history, at: state.lastIndex, path: "policy")
      #expect(lines.count == 5)
      for line in lines {
        let origin = (1...Int(state.lastIndex)).last {
          Facts(story.states[$0])[line.fact.path] != Facts(story.states[$0 - 1])[line.fact.path]
        }
        #expect(
          line.origin.recorded.index == UInt64(try #require(origin)),
          "\(line.fact.path) at \(state.lastIndex)")
      }
    }
  }

  @Test("Every fact goes back to the event that last changed its value")
  func blame() throws {
    for story in [try story(), try turned(), try Story.life()] {
      var story = story
      try story.goOn()
      let facts = story.states.map { Facts($0) }
      for state in story.states where state.isFormed {
        for line in try Blame.lines(story.history, at: state.lastIndex, path: "") {
          let path = line.fact.path
          let changed = (1...Int(state.lastIndex)).last { facts[$0][path] != facts[$0 - 1][path] }
          // What is so of a node is not older than the node, though one of its name was so before.
          let node = state.nodes.first { path.hasPrefix("nodes.\($0.name).") }
          let origin = max(UInt64(try #require(changed)), node?.joinIndex ?? 0)
          #expect(line.origin.recorded.index == origin, "\(path) at \(state.lastIndex)")
        }
      }
    }
  }

  @Test("A setting that changes differs, and held before it did")
  func changedSetting() throws {
    let story = try story()
    let (head, changed) = (story.history.head, try last(.policyChanged, story))
    let difference = try Difference(story.history, changed - 1, head)
    #expect(difference.text.contains("~ policy.voters: 3 → 1\n"), "\(difference.text)")
    let expectation = try Expectation("policy.voters=3")
    for scan in [true, false] {
      let found = try Bisection(story.history, 1...head, condition: "x", scan: scan) {
        expectation.holds($0) ? .holds : .fails
      }
      #expect(found.event.recorded.index == changed && !found.holdsAfter)
    }
  }

  @Test("Why policy tells what holds, and which events made it so")
  func whyPolicy() throws {
    let story = try story()
    let changed = try last(.policyChanged, story)
    let why = try Why(story.history, "policy", at: story.history.head)
    #expect(why.chain.last?.line.recorded.index == changed)
    #expect(why.chain.last?.words == "voters is 1 from here on")
    #expect(why.verdict.contains { $0.hasPrefix("voters is 1 since index \(changed) (") })
    #expect(why.verdict.contains { $0.hasPrefix("suspectAfter is 3 min since index ") })
    #expect(why.verdict.contains("standbys is 3, as in a new cluster"))
    #expect(why.chain.count == 2, "\(why.text)")
    let new = try Why(story.history, "policy", at: 2)
    #expect(new.chain.map(\.line.recorded.index) == [1], "\(new.text)")
  }

  @Test("Of who is gone it is told who closed the record, of a name who had it before")
  func gone() throws {
    let story = try story()
    let closed = try #require(
      try story.history.last(atOrBefore: story.history.head, types: [.nodeRemoved]) {
        $0.concerns(NodeID(4))
      })
    let why = try Why(story.history, "n4", at: story.history.head)
    #expect(why.verdict.first?.contains("left at index \(closed.index - 1) (") == true)
    #expect(
      why.verdict.contains {
        $0.hasPrefix("the record of n4 was closed at index \(closed.index) (")
          && $0.hasSuffix(" by root@n1")
      }, "\(why.verdict)")
    #expect(try chain(story, "n4").last?.index == closed.index)
    let open = try Why(story.history, "n4", at: closed.index - 1)
    #expect(open.chain.last?.line.recorded.index == closed.index - 1)

    for (name, earlier, how) in [("n5", 5, "removed by force"), ("n3", 3, "replaced by")] {
      let tombstone = try #require(story.cluster.departed(NodeID(UInt64(earlier))))
      let verdict = try Why(story.history, name, at: story.history.head).verdict
      #expect(
        verdict.contains {
          $0.hasPrefix("an earlier \(name), \(NodeID(UInt64(earlier))), is gone: \(how)")
            && $0.contains(" at index \(tombstone.index) (")
            && $0.contains(", reason: sold") == (tombstone.reason == "sold")
        }, "\(verdict)")
    }
    for name in ["n1", "n4"] {
      let verdict = try Why(story.history, name, at: story.history.head).verdict
      #expect(!verdict.contains { $0.contains("earlier") })
    }
  }

  @Test("A replica that was lost is told while it lasts and afterwards")
  func replica() throws {
    let story = try story()
    let (lost, back) = (try last(.replicaLost, story), try last(.replicaRefetched, story))
    let during = try Why(story.history, "n2", at: lost)
    let time = try story.history.event(at: lost).envelope.time.rfc3339
    #expect(
      during.verdict.contains {
        $0.hasPrefix("n2 lacks since \(time) what it had acknowledged")
      }, "\(during.verdict)")
    #expect(during.chain.contains { $0.line.recorded.index == lost })
    let after = try Why(story.history, "n2", at: story.history.head)
    #expect(!after.verdict.contains { $0.contains("lacks") })
    for index in [lost, back] {
      #expect(after.chain.contains { $0.line.recorded.index == index }, "\(after.text)")
    }
    #expect(!(try Why(story.history, "n1", at: story.history.head)).text.contains("replica."))
  }

  @Test("Why ha tells for how long high availability was lost")
  func gap() throws {
    var story = try Story.life()
    story.up = [NodeID(1), NodeID(3)]
    try story.ask(.suspect(NodeID(2)), actor: "n1")
    let lost = story.history.head
    let during = try Why(story.history, "ha", at: lost)
    #expect(!during.text.contains("was back at"))
    story.now = story.now.adding(seconds: 145)
    story.up = nil
    try story.ask(.recover(NodeID(2)), actor: "n1")
    let back = story.history.head
    try story.join(6, .worker)
    let why = try Why(story.history, "ha", at: story.history.head)
    #expect(
      why.verdict.contains {
        $0.hasPrefix("high availability was lost at index \(lost) (")
          && $0.contains(" and was back at index \(back) (")
          && $0.hasSuffix("): for 2 min 26 s, as recorded")
      }, "\(why.text)")
    #expect(Set([lost, back]).isSubset(of: why.chain.map(\.line.recorded.index)))
    // What was never had was not lost.
    let first = try Why(story.history, "ha", at: 12)
    #expect(first.verdict.first == "high-availability: yes")
    #expect(!first.text.contains("was lost"))
  }
}

extension Story {
  /// Whose API servers workers are told after an index.
  fileprivate func listed(_ index: Int) -> Set<NodeID> {
    Set(states[index].servingAPI.map(\.id))
  }

  fileprivate mutating func refresh(_ n: Int, isReady: Bool) throws {
    try ask(
      .refreshEndpoints(
        EndpointRefreshed(
          node: NodeID(UInt64(n)), endpoints: record(n).endpoints, apiserverReady: isReady,
          version: "0.1.0")), actor: "n\(n)")
  }

  /// Node n comes in under that name.
  fileprivate mutating func join(
    _ n: Int, as name: String, _ role: NodeRole = .controlPlane, replaces: String? = nil
  ) throws {
    var newcomer = record(n, role)
    newcomer.name = name
    try ask(
      .issueToken(
        TokenIssued(
          id: TokenID(UInt64(n)), secrets: [.init(hash: digest(1, n), roles: [role])], uses: 1,
          expires: nil)))
    try ask(.join(.init(node: newcomer, secret: digest(1, n), replaces: replaces)))
    if role == .controlPlane { try refresh(n, isReady: true) }
  }
}
