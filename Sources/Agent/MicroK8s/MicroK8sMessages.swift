// What goes between MicroK8s's own `microk8s join ... --worker` and a control-plane node, in its
// field names, types and texts. Values only: nothing here knows a cluster.

import FoundationEssentials
import History
import Membership

/// A no, as that client prints it: `Connection failed. TEXT (CODE).`
struct MicroK8sRefusal: Error, Equatable {
  /// Of HTTP.
  var code: Int
  var text: String

  init(_ code: Int, _ text: String) {
    self.code = code
    self.text = text
  }

  /// No other words for a secret that nobody knows, or that was used.
  static let invalidToken = MicroK8sRefusal(500, "Invalid token")
  static let unknownPath = MicroK8sRefusal(404, "Not found")

  /// Why the log does not admit a node, in words that help on a machine that has no muster: its
  /// user can change the machine, and ask whoever runs the cluster.
  static func admission(
    code: String, message: String, of wish: MicroK8sJoin, from source: Host
  ) -> MicroK8sRefusal {
    let operators = "have the cluster's operator run muster remove-node"
    switch code {
    // The original says no more than these two words; the rest is for people.
    case "token-unknown": return .invalidToken
    case "name-taken":
      return MicroK8sRefusal(
        500,
        "the name \(wish.name) belongs to a member of this cluster. Give this machine another host "
          + "name, or, if it is that member, or that one is gone: \(operators) \(wish.name), and "
          + "join again")
    case "name-invalid":
      var why = ""
      do { try NodeName.validate(wish.name) } catch { why = ": \(error)" }
      return MicroK8sRefusal(
        500,
        "the host name \(quoted(wish.name)) cannot be a node's name\(why). Give this machine "
          + "another one (hostnamectl set-hostname) and join again")
    case "address-taken":
      return MicroK8sRefusal(
        500,
        "the address \(source) with port \(wish.port) belongs to a member of this cluster. If it "
          + "is this machine, or that one is gone: \(operators) \(source), and join again")
    case "record-invalid":
      return MicroK8sRefusal(
        500,
        "this machine cannot be recorded at \(source), where its connection comes from: others "
          + "would not reach it there. Contact the cluster from another address of this machine")
    default:
      return MicroK8sRefusal(
        500, (code.hasPrefix("token-") ? "invalid token: " : "") + message)
    }
  }

  var document: Document {
    .object([("error", .text(text.prefix(1).uppercased() + text.dropFirst()))])
  }
}

/// `POST /cluster/api/v2.0/join`.
struct MicroK8sJoin: Equatable {
  var token: String
  /// Lower case.
  var name: String
  /// Of the joiner's own cluster agent.
  var port: UInt16
  /// Whether a worker asks; else a control-plane node does.
  var isWorker: Bool

  private struct Body: Decodable {
    var token: String
    var hostname: String
    var port: String
    var worker: Role?
  }

  /// `"as-worker"`, `"as-master"`, true, false or null, each from another version of the client.
  private enum Role: Decodable {
    case flag(Bool)
    case word(String)

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let flag = try? value.decode(Bool.self) {
        self = .flag(flag)
      } else {
        self = .word(try value.decode(String.self))
      }
    }

    var isWorker: Bool {
      switch self {
      case .flag(let flag): flag
      case .word(let word): word == "as-worker"
      }
    }
  }

  /// - Throws: `MicroK8sRefusal` (400) naming the field that is missing or of another type.
  init(body: [UInt8]) throws(MicroK8sRefusal) {
    let body = try MicroK8sBody.decode(Body.self, body)
    token = body.token
    name = body.hostname.lowercased()
    guard !name.isEmpty else { throw MicroK8sRefusal(400, "the request has no hostname") }
    guard let port = UInt16(body.port), port > 0 else {
      throw MicroK8sRefusal(400, "the port of the cluster agent is not a port: it is 1 to 65535")
    }
    self.port = port
    isWorker = body.worker?.isWorker ?? false
  }
}

/// `POST /cluster/api/v1.0/sign-cert`.
struct MicroK8sSigning: Equatable {
  /// The secret of the invitation by which the node joined.
  var secret: String
  var use: CertificateUse
  /// A certificate request, PEM.
  var request: String

  private struct Body: Decodable {
    var token: String
    var request: String
  }

  /// - Throws: `MicroK8sRefusal`: 400 as above; 500 for a token without `-kubelet` or `-proxy`.
  init(body: [UInt8]) throws(MicroK8sRefusal) {
    let body = try MicroK8sBody.decode(Body.self, body)
    guard
      let use = CertificateUse.allCases.first(where: { body.token.hasSuffix("-" + $0.rawValue) })
    else { throw .invalidToken }
    secret = String(body.token.dropLast(use.rawValue.count + 1))
    self.use = use
    request = body.request
  }
}

private enum MicroK8sBody {
  static func decode<Body: Decodable>(
    _ type: Body.Type, _ bytes: [UInt8]
  ) throws(MicroK8sRefusal) -> Body {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw MicroK8sRefusal(400, flaw(error))
    }
  }

  private static func flaw(_ error: any Error) -> String {
    func field(_ path: [any CodingKey]) -> String {
      path.last.map { "the request's \($0.stringValue)" } ?? "the request"
    }
    switch error {
    case DecodingError.keyNotFound(let key, _): return "the request has no \(key.stringValue)"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      return "\(field(context.codingPath)) is of another type than expected"
    default: return "the request is not JSON"
    }
  }
}

/// What a worker starts from. Fields that mean nothing here are there because the client wants
/// them: without `ca_key: null` it fails, and it stores the callback token.
struct MicroK8sWelcome: Equatable {
  /// The Kubernetes CA, PEM.
  var authority: String
  /// Random text that authorises nothing: the original gives the same to every node, and whoever
  /// has it may change any of them.
  var callback: String
  var apiserverPort: UInt16
  /// A line each; what the worker's kubelet is started with.
  var kubeletArguments: String
  /// The worker's address as it is seen here.
  var address: Host
  /// Hosts of the API servers.
  var controlPlane: [String]

  var document: Document {
    let arguments = kubeletArguments.hasSuffix("\n") ? kubeletArguments : kubeletArguments + "\n"
    return .object([
      ("ca", .text(authority)), ("callback_token", .text(callback)),
      ("apiport", .text("\(apiserverPort)")), ("api_authz_mode", .text("Node,RBAC")),
      // The client appends lines of its own.
      ("kubelet_args", .text(arguments)), ("hostname_override", .text(address.description)),
      ("service_account_key", .text("")), ("ca_key", .null),
      ("control_plane_nodes", .texts(controlPlane)),
    ])
  }

  /// For a kubelet of MicroK8s; `DATA_DIR/args/kubelet` takes their place.
  static let kubeletArguments = """
    --kubeconfig=${SNAP_DATA}/credentials/kubelet.config
    --cert-dir=${SNAP_DATA}/certs
    --client-ca-file=${SNAP_DATA}/certs/ca.remote.crt
    --root-dir=${SNAP_COMMON}/var/lib/kubelet
    --container-runtime-endpoint=${SNAP_COMMON}/run/containerd.sock
    --anonymous-auth=false
    --authentication-token-webhook=true
    --fail-swap-on=false
    --eviction-hard="memory.available<100Mi,nodefs.available<1Gi,imagefs.available<1Gi"
    --read-only-port=0

    """
}
