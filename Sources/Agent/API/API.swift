// What goes over the cluster API and the local socket, as JSON. Keys are stable from the first
// release on; fields are added, never renamed.

import Membership

/// An answer that says no, or that something failed.
package struct APIError: Codable, Error, Sendable, CustomStringConvertible {
  /// What was asked, why not, what to do next.
  package var error: String
  /// A stable word for scripts.
  package var code: String
  /// What the command line exits with.
  package var exitCode: Int

  package init(_ error: String, code: String, exitCode: Int) {
    self.error = error
    self.code = code
    self.exitCode = exitCode
  }

  package var description: String { error }
}

/// `POST /v1/tokens`: make an invitation.
package struct InvitationRequest: Codable, Equatable, Sendable {
  /// 32 hex digits, drawn anew for each invitation.
  package var command: String
  /// 0 for any number.
  package var uses: UInt32
  /// Seconds until it expires.
  package var ttlSeconds: Int64
  /// `worker`, `control-plane` or nil for both.
  package var role: String?
  /// The first secret, if the operator chose it: 32 lower-case hex digits.
  package var token: String?

  package init(command: String, uses: UInt32, ttlSeconds: Int64, role: String?, token: String?) {
    self.command = command
    self.uses = uses
    self.ttlSeconds = ttlSeconds
    self.role = role
    self.token = token
  }
}

/// The answer to it: the only place where secrets are ever shown.
package struct Invitation: Codable, Sendable {
  package var id: String
  package var index: UInt64
  /// Admits a control-plane node (or, with `--worker`, a worker); nil for a worker's invitation.
  package var token: String?
  /// Admits a worker only; nil for a control-plane invitation.
  package var workerToken: String?
  /// First 32 hex digits of the SHA-256 of the certificate that the cluster port presents.
  package var check: String
  /// `HOST:PORT` of the cluster API, the default one first.
  package var addresses: [String]
  package var uses: UInt32
  /// RFC 3339.
  package var expires: String?
}

/// `POST /v1/nodes/remove`.
package struct RemovalRequest: Codable, Sendable {
  package var command: String
  package var target: String
  package var force: Bool
  package var reason: String

  package init(command: String, target: String, force: Bool, reason: String) {
    self.command = command
    self.target = target
    self.force = force
    self.reason = reason
  }
}

/// `POST /v1/nodes/maintenance`.
package struct MaintenanceRequest: Codable, Sendable {
  package var command: String
  /// A name, an id or an address.
  package var target: String
  /// Whether it begins; else it ends.
  package var enter: Bool
  /// For how long; nil until it is ended.
  package var seconds: Int64?
  package var reason: String

  package init(command: String, target: String, enter: Bool, seconds: Int64?, reason: String) {
    self.command = command
    self.target = target
    self.enter = enter
    self.seconds = seconds
    self.reason = reason
  }
}

/// `GET /v1/policy`, and with nil for what stays `POST /v1/policy`.
package struct PolicySettings: Codable, Sendable, Equatable {
  package var schemaVersion: Int? = 1
  /// Of the change; nil in an answer.
  package var command: String?
  package var voters: UInt32?
  package var standbys: UInt32?
  package var suspectAfterMilliseconds: UInt32?
  package var recoverAfterMilliseconds: UInt32?
  package var spread: Bool?
  package var reason: String?

  package init(command: String? = nil, reason: String? = nil) {
    self.command = command
    self.reason = reason
  }
}

/// The answer to a command that appended events.
package struct Appended: Codable, Sendable {
  package var first: UInt64
  package var last: UInt64
  /// What the operator should know besides.
  package var notes: [String]?
}

/// `POST /v1/join` on the cluster port: a node asks to become a member. Its key is the one that
/// it presents in the TLS handshake, nothing it says.
package struct JoinRequest: Codable, Sendable {
  package var command: String
  /// 32 hex digits.
  package var token: String
  package var node: String
  package var name: String
  /// `worker` or `control-plane`.
  package var role: String
  package var clusterAddress: String
  package var datastoreAddress: String?
  package var apiserverAddress: String?
  package var extraAddresses: [String]
  package var failureDomain: String
  package var version: String
  package var eventFormat: Int
  /// Milliseconds since 1970, to measure the clocks' difference.
  package var clock: Int64
  /// Only check whether it would be admitted.
  package var dryRun: Bool
  /// The member whose place it takes: a name, an id or an address.
  package var replaces: String?
}

/// The answer: what a new member starts from.
package struct JoinAnswer: Codable, Sendable {
  package var cluster: String
  package var incarnation: UInt64
  /// Index of the `node.joined` event; 0 in a dry run.
  package var index: UInt64
  package var name: String
  package var endpoints: EndpointsAnswer
  /// Control-plane members, for the links of a new control-plane node.
  package var members: [MemberAddress]
  /// Hex of the introduction's bytes, and of those it rests on, the oldest first.
  package var introductions: [String]
  /// The Kubernetes CA, PEM; the key only for a control-plane node.
  package var kubernetesCA: String?
  package var kubernetesKey: String?
  package var clock: Int64
  /// Files for what runs beside muster on the new member; secrets.
  package var bundle: [BundleFile]?
  /// What whoever joins should know besides.
  package var warning: String?
}

package struct MemberAddress: Codable, Sendable, Equatable {
  package var node: String
  package var name: String
  package var datastore: String
  package var cluster: String
  /// Hex SHA-256 of its public key.
  package var key: String
  /// Index of the event that made it a control-plane node; nil from a node that does not say.
  package var since: UInt64?
}

/// `GET /v1/endpoints`: the API servers, and the control plane to ask next time.
package struct EndpointsAnswer: Codable, Sendable, Equatable {
  package struct Server: Codable, Sendable, Equatable {
    package var node: String
    package var name: String
    /// Nil if it is not to be used (suspected or not ready).
    package var apiserver: String?
    package var cluster: String
    package var key: String
  }
  package var cluster: String
  package var incarnation: UInt64
  /// Index of the last change.
  package var index: UInt64
  package var servers: [Server]

  /// The addresses for provider.yaml, sorted.
  package var addresses: [String] { servers.compactMap(\.apiserver).sorted() }
}

/// `POST /v1/node/join` on the local socket.
package struct LocalJoin: Codable, Sendable {
  package var connection: String
  package var worker: Bool
  package var dryRun: Bool
  /// As in `JoinRequest`.
  package var replaces: String?
  package var timeoutSeconds: Double

  package init(
    connection: String, worker: Bool, dryRun: Bool, replaces: String?, timeoutSeconds: Double
  ) {
    self.connection = connection
    self.worker = worker
    self.dryRun = dryRun
    self.replaces = replaces
    self.timeoutSeconds = timeoutSeconds
  }
}

/// `POST /v1/node/leave` on the local socket.
package struct LocalLeave: Codable, Sendable {
  package var local: Bool
  /// Take back a leave that waits; an earlier version does not say.
  package var cancel: Bool?
  package var timeoutSeconds: Double

  package init(local: Bool, cancel: Bool = false, timeoutSeconds: Double) {
    self.local = local
    self.cancel = cancel
    self.timeoutSeconds = timeoutSeconds
  }
}

/// A line of the answer to a join or a leave: progress, then exactly one `done` or `failed`.
package struct ProgressLine: Codable, Sendable {
  /// For standard error: a phase, and what it found.
  package var progress: String?
  /// For standard output.
  package var output: String?
  package var done: Bool?
  package var failed: APIError?

  package init(
    progress: String? = nil, output: String? = nil, done: Bool? = nil, failed: APIError? = nil
  ) {
    self.progress = progress
    self.output = output
    self.done = done
    self.failed = failed
  }
}

/// What a node that is asked by a key says about it: `GET /v1/self`.
package struct SelfAnswer: Codable, Sendable {
  /// `member`, `departed` or `unknown`.
  package var standing: String
  package var cluster: String
  package var departure: NodeFile.Departure?
  /// Index of the event that made it a worker; nil if it is none.
  package var workerSince: UInt64?
  /// The control plane, as the node that answers last knew it.
  package var endpoints: EndpointsAnswer?
}
