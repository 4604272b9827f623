// The words of a refusal: what was asked, why not, what to do next.

extension NodeRole {
  /// As `nodes` and the command line call it.
  package var name: String {
    switch self {
    case .controlPlane: "control-plane"
    case .worker: "worker"
    }
  }
}

extension DatastoreRole {
  package var name: String {
    switch self {
    case .voter: "voter"
    case .standby: "standby"
    case .spare: "spare"
    }
  }
}

extension Refusal: CustomStringConvertible {
  package var description: String { message }

  /// One or more sentences for a person, without `error:` before them.
  package var message: String {
    switch self {
    case .tokenUnknown, .tokenMissing, .tokenExpired, .tokenUsedUp, .tokenRevoked, .tokenRole,
      .tokenTaken, .tokenInvalid:
      tokenMessage
    case .nameInvalid, .nameTaken, .addressTaken, .recordInvalid, .keyDeparted, .identityTaken,
      .certificateRefused:
      recordMessage
    case .nodeUnknown, .nodeAmbiguous, .alone, .alive, .replacesAlive, .itself, .reasonMissing,
      .lastControlPlane, .quorumLoss, .noSuccessor, .unreachable:
      departureMessage
    default: circumstanceMessage
    }
  }

  private var tokenMessage: String {
    let next = "Make a new one with: muster add-node"
    return switch self {
    case .tokenUnknown: "this cluster knows no such token. \(next)"
    case .tokenMissing(let id): "no invitation has the id \(id). See: muster token list"
    case .tokenExpired(let id, let at): "token \(id) expired at \(at.rfc3339). \(next)"
    case .tokenUsedUp(let id, let uses, let last):
      "token \(id) is used up: it admits \(counted(Int(uses), "node")), and \(last.name) spent it"
        + " at \(last.time.rfc3339) (index \(last.index)). \(next)"
    case .tokenRevoked(let id, let revocation):
      "token \(id) was revoked by \(revocation.actor) at \(revocation.time.rfc3339). \(next)"
    case .tokenRole(let id, let asked, let admits):
      "token \(id) with this secret admits \(words(admits.map(\.name), "or")) nodes only, not a"
        + " \(asked.name) node. "
        + (asked == .controlPlane
          ? "Join with --worker, or make an invitation with: muster add-node --control-plane"
          : "Use the string that add-node prints for workers")
    case .tokenTaken(let id):
      "this token belongs to invitation \(id), which still counts. Revoke it first (muster token"
        + " revoke \(id)) or let the token be drawn"
    case .tokenInvalid(let why): "this invitation makes no sense: \(why)"
    default: ""
    }
  }

  private var recordMessage: String {
    switch self {
    case .nameInvalid(let name, let why):
      "\(quoted(name)) cannot be a node's name: \(why). Choose another with --name"
    case .nameTaken(let name, let by, let since):
      "the name \(name) belongs to a member (node \(by), since index \(since)). Choose another"
        + " with --name, or, if this is that machine, rebuilt, or it is gone: join with --replace"
        + " \(name)"
    case .addressTaken(let address, let by, let since):
      "the address \(address) belongs to member \(by) (since index \(since)). Choose another with"
        + " --address or another port, or, if that machine is gone: join with --replace \(by)"
    case .recordInvalid(let node, let why): "node \(node) cannot be recorded: \(why)"
    case .certificateRefused(let node, let why):
      "no certificate is signed for \(node): \(why). If the node lacks it, run muster remove-node"
        + " \(node) and join it again"
    case .keyDeparted(let gone):
      "this node's key belongs to \(gone.name), which \(gone.words). A departed key is never"
        + " admitted again. Run muster leave there: it makes a new identity"
    case .identityTaken(let id, let by):
      "node id \(id) or its key belongs to member \(by). Two data directories with one identity"
        + " must not run: run muster leave on the copy"
    default: ""
    }
  }

  private var departureMessage: String {
    switch self {
    case .nodeUnknown(let target, nil):
      "no node of this cluster has the name, id or address \(shown(target)). See: "
        + "muster nodes -o wide"
    case .nodeUnknown(let target, .some(let gone)):
      "\(shown(target)) is no member any more: \(gone.name) \(gone.words)"
    case .nodeAmbiguous(let target, let matches):
      "\(shown(target)) can mean \(words(matches, "or")). Give the name of the one that is meant"
    case .alone(let name):
      "\(name) is alone in its cluster: there is nothing to leave, and nothing was changed"
    case .alive(let name):
      "\(name) was heard from within the last half minute, so it counts as alive. If it runs, run"
        + " muster leave on it; if it is gone, try again in half a minute, or at once with: muster"
        + " remove-node \(name) --force --reason TEXT"
    case .replacesAlive(let name):
      "\(name) was heard from within the last half minute, so nothing can take its place yet. If"
        + " this is that machine, rebuilt, or it is off, try again in half a minute; if this is one"
        + " more machine, join without --replace under a name of its own"
    case .itself(let name): "\(name) is this node. To take it out, run: muster leave"
    case .reasonMissing(let name):
      "removing \(name) by force needs a reason, which stays in the log: add --reason TEXT"
    case .lastControlPlane(let name, 0):
      "\(name) is the only control-plane node and holds the only copy of the cluster's log. Join"
        + " another control-plane node first"
    case .lastControlPlane(let name, let dependents):
      "\(name) is the only control-plane node and holds the only copy of the cluster's log;"
        + " \(counted(dependents, "other node")) would be left without it. Join another"
        + " control-plane node first, or take the others out before"
    case .quorumLoss(let name, let loss): quorumMessage(name, loss)
    case .unreachable(let name):
      "\(name) does not answer, so it could not take up another role. Bring it back, or, if it is"
        + " gone: muster remove-node \(name)"
    case .noSuccessor(let name, let candidates):
      "\(name) holds the last vote that counts, and "
        + (candidates.isEmpty
          ? "no other control-plane node could take it"
          : "\(words(candidates, "and")) \(candidates.count == 1 ? "is" : "are") not ready to take"
            + " it (not reachable, suspected or not caught up)")
        + ". Wait until muster status shows a standby without lag, or join another control-plane"
        + " node"
    default: ""
    }
  }

  private func quorumMessage(_ name: String, _ loss: QuorumLoss) -> String {
    let voters = counted(loss.voters.count, "voter")
    let list = loss.voters.joined(separator: " ")
    let reachable =
      loss.reachable.isEmpty
      ? "none is"
      : loss.reachable.joined(separator: " ")
        + (loss.reachable.count == 1 ? " alone is" : " are")
    let next = "Bring back a voter, or join another control-plane node, first"
    return switch loss.when {
    case .now:
      "the departure of \(name) needs \(loss.needed) of today's \(voters) (\(list)), and"
        + " \(reachable) reachable. \(next)"
    case .after:
      "without \(name) the cluster would have \(voters) (\(list)) and need \(loss.needed), and"
        + " \(reachable) reachable: it would stop. \(next)"
    }
  }

  private var circumstanceMessage: String {
    switch self {
    case .busy(let what): "\(what) is still under way. Try again when it is done"
    case .suspectedTooOften(let name, let since):
      "\(name) was suspected \(Member.suspicionLimit) times since \(since.rfc3339)"
    case .rolesInvalid(let why): "these roles cannot be assigned: \(why)"
    case .policyInvalid(let why): why
    case .notInMaintenance(let name):
      "\(name) is not in maintenance, and nothing was changed. See: muster nodes -o wide"
    case .notFormed: "there is no cluster yet"
    case .requestInvalid(let why): "this request cannot be recorded: \(why)"
    case .clockBehind(let milliseconds):
      "recorded time is \(milliseconds / 1000) s ahead of the leader's clock, so tokens are neither"
        + " issued nor redeemed. Correct the clocks of the control plane"
    case .lowOnSpace:
      "the log's disk is nearly full: nodes may go, but none may come. Make room on the"
        + " control-plane nodes"
    case .commandReused(let id, let first):
      "command id \(id) was used for something else (index \(first))"
    case .commandForgotten(let id):
      "command \(id) is older than what the cluster remembers: it may have been carried out. Look"
        + " at muster events before asking again"
    case .commandFromFuture(let id):
      "command \(id) was drawn more than an hour ahead of the cluster's time. Correct the clock of"
        + " the machine that asks"
    default: ""
    }
  }
}

extension Departed {
  /// `left at … (index 7)`, `was removed by root@n1 at … (index 7)`.
  package var words: String {
    let verb =
      switch how {
      case .left: "left"
      case .removed: "was removed by \(actor)"
      case .replaced(let by): "was replaced by node \(by), admitted by \(actor),"
      case .leftBehind: "was left behind, when \(actor) began a new cluster with its log,"
      }
    return "\(verb) at \(time.rfc3339) (index \(index))"
  }
}

/// As it is if it is printable, else quoted.
private func shown(_ text: String) -> String {
  !text.isEmpty && isPrintable(text) ? text : quoted(text)
}

/// `1 node`, `2 nodes`.
package func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// `5 s`, `90 min`, `1 h`: the largest unit of which it is a whole number.
package func span(milliseconds: some BinaryInteger) -> String {
  for (length, unit) in [(3_600_000, "h"), (60_000, "min"), (1000, "s")]
  where milliseconds > 0 && Int(milliseconds) % length == 0 {
    return "\(Int(milliseconds) / length) \(unit)"
  }
  return "\(milliseconds) ms"
}

/// `a`, `a or b`, `a, b or c`.
package func words(_ items: [String], _ conjunction: String) -> String {
  guard let last = items.last, items.count > 1 else { return items.first ?? "" }
  return items.dropLast().joined(separator: ", ") + " \(conjunction) \(last)"
}
