// What add-node prints, in the words and formats of MicroK8s, which scripts read: nothing differs
// but the name of the program, and in the pretty text one line of ours after it.

import Agent

struct InvitationText {
  private let invitation: Invitation
  /// The secret of all formats: the first, or a worker's where there is no other.
  let token: String
  private let isForWorkers: Bool

  init(_ invitation: Invitation) {
    self.invitation = invitation
    token = invitation.token ?? invitation.workerToken ?? ""
    isForWorkers = invitation.token == nil
  }

  private func url(_ address: String, _ token: String) -> String {
    "\(address)/\(token)/\(invitation.check)"
  }

  private func command(_ address: String) -> String {
    "muster join \(url(address, token))" + (isForWorkers ? " --worker" : "")
  }

  private var urls: [String] { invitation.addresses.map { url($0, token) } }

  var pretty: String {
    let first = invitation.addresses.first ?? ""
    var lines = [
      "From the node you wish to join to this cluster, run the following:", command(first), "",
    ]
    if !isForWorkers, let second = invitation.workerToken {
      lines += [
        "Use the '--worker' flag to join a node as a worker not running the control plane, eg:",
        "muster join \(url(first, second)) --worker", "",
      ]
    }
    lines.append(
      "If the node you are adding is not reachable through the default interface you can use one "
        + "of the following:")
    lines += invitation.addresses.map(command)
    return (lines + ["", terms]).joined(separator: "\n") + "\n"
  }

  private var terms: String {
    let admits =
      switch invitation.uses {
      case 0: "any number of nodes"
      case 1: "one node"
      default: "\(invitation.uses) nodes"
      }
    let roles =
      isForWorkers
      ? "worker" : invitation.workerToken == nil ? "control plane" : "control plane or worker"
    let end = invitation.expires.map { "until \($0)" } ?? "without an end"
    return "Invitation \(invitation.id) admits \(admits) (\(roles)) \(end). Revoke it with: muster "
      + "token revoke \(invitation.id)"
  }

  var short: String { invitation.addresses.map { command($0) + "\n" }.joined() }

  /// As Python's json.dumps(indent=2) has it: all characters here are plain.
  var json: String {
    let list = urls.map { "    \"\($0)\"" }.joined(separator: ",\n")
    return "{\n  \"token\": \"\(token)/\(invitation.check)\",\n  \"urls\": [\n\(list)\n  ]\n}\n"
  }

  /// As PyYAML's block style has it, printed with a newline of its own.
  var yaml: String {
    func scalar(_ text: String) -> String { text.hasPrefix("[") ? "'\(text)'" : text }
    return "token: \(token)/\(invitation.check)\nurls:\n"
      + urls.map { "- \(scalar($0))\n" }.joined() + "\n"
  }
}
