// Invitations: whoever asks twice under one command id is given what was drawn at first, so that an
// answer that was lost with a leader can be had by asking again.

import Crypto
import FoundationEssentials
import Membership
import Replication
import Synchronization
import Transport

/// What was drawn for invitations whose outcome is not known yet. In memory only.
struct Invitations: Sendable {
  struct Draft: Sendable {
    var wish: InvitationRequest
    var first: String
    var second: String
    var token: TokenIssued
  }

  private static let capacity = 64
  private var drafts: [CommandID: Draft] = [:]
  private var order: [CommandID] = []

  /// What was drawn for the same wish before, or what is drawn now.
  mutating func draft(_ id: CommandID, _ wish: InvitationRequest, draw: () -> Draft) -> Draft {
    if let known = drafts[id], known.wish == wish { return known }
    let draft = draw()
    if drafts.updateValue(draft, forKey: id) == nil { order.append(id) }
    if order.count > Self.capacity { drafts[order.removeFirst()] = nil }
    return draft
  }

  /// The outcome is known.
  mutating func forget(_ id: CommandID) {
    drafts[id] = nil
    order.removeAll { $0 == id }
  }
}

extension Daemon {
  /// Makes an invitation: secrets are drawn here, only their digests travel on.
  func invite(_ wish: InvitationRequest, actor: String, timeout: Duration) async throws
    -> Invitation
  {
    let node = try controlPlane("invite nodes")
    guard let id = CommandID(wish.command) else { throw Query.noCommand }
    try Self.check(wish)
    // By the time that is recorded: the clock here may be off.
    let now = await node.driver.look { max($0.now.wall, $0.cluster.lastTime) }
    let draft = invitations.withLock { $0.draft(id, wish) { Self.draw(wish, now) } }
    let appended: Appended
    do {
      appended = try await append(.issueToken(draft.token), id: id, actor: actor, timeout: timeout)
      invitations.withLock { $0.forget(id) }
    } catch {
      // Whoever went away meanwhile, or was told of no outcome, may ask again.
      if let refusal = error as? APIError, refusal.exitCode != 7 {
        invitations.withLock { $0.forget(id) }
      }
      throw error
    }
    return Invitation(
      id: draft.token.id.description, index: appended.last,
      token: wish.role == "worker" ? nil : draft.first,
      workerToken: wish.role == "worker" ? draft.first : wish.role == nil ? draft.second : nil,
      check: identity.check,
      addresses: ([settings.clusterAddress] + settings.extraClusterAddresses).map(\.description),
      uses: wish.uses, expires: draft.token.expires?.rfc3339)
  }

  private static func check(_ wish: InvitationRequest) throws(Failure) {
    guard ["worker", "control-plane", nil].contains(wish.role) else {
      throw Failure("unknown role \"\(wish.role ?? "")\"", exitCode: 2)
    }
    guard wish.ttlSeconds > 0, wish.ttlSeconds <= 10 * 366 * 86400 else {
      throw Failure("an invitation lasts from 1 s to 10 years", exitCode: 2)
    }
    guard let token = wish.token else { return }
    guard token.utf8.count == 32, bytes(hex: token) != nil, token == token.lowercased(),
      Set(token.utf8).count > 4
    else {
      throw Failure("a token has 32 lower-case hex digits, and not all alike", exitCode: 2)
    }
  }

  private static func draw(_ wish: InvitationRequest, _ now: Timestamp) -> Invitations.Draft {
    let first = wish.token ?? hex(Random.bytes(16))
    let second = hex(Random.bytes(16))
    let secrets: [TokenIssued.Secret] =
      switch wish.role {
      case "worker": [.init(hash: digest(first), roles: [.worker])]
      case "control-plane": [.init(hash: digest(first), roles: [.controlPlane])]
      default:
        [
          .init(hash: digest(first), roles: [.controlPlane, .worker]),
          .init(hash: digest(second), roles: [.worker]),
        ]
      }
    return Invitations.Draft(
      wish: wish, first: first, second: second,
      token: TokenIssued(
        id: TokenID(Random.number()), secrets: secrets, uses: wish.uses,
        expires: now.adding(seconds: wish.ttlSeconds)))
  }
}
