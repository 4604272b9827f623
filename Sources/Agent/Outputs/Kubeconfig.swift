// What of a kubeconfig is needed to ask API servers: whom to trust and what to show. Where it says
// the server is, is not used: on a worker that is the proxy itself.

// EventLog comes first, as in Chronicle: where Yams does, `stat` is taken for CoreFoundation's.
import EventLog
import FoundationEssentials
import NIOSSL
import Transport
import Yams

/// A kubeconfig's current context.
struct Kubeconfig {
  /// Nil: the machine's authorities.
  var authorities: [NIOSSLCertificate]?
  var verifies = true
  var credentials = ClientCredentials()

  /// - Throws: `Failure` (exit code 65) naming the file and what is wrong with it.
  static func read(_ file: String) throws(Failure) -> Kubeconfig {
    guard let bytes = try ProviderStore.read(file) else {
      throw Failure("cannot read \(file): it is not there", exitCode: 65)
    }
    do {
      let end = file.lastIndex(of: "/") ?? file.startIndex
      return try parse(bytes, folder: String(file[..<end]))
    } catch {
      let words = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
      throw Failure("cannot use \(file): \(words)", exitCode: 65)
    }
  }

  /// - Parameter folder: what relative paths in it start from.
  private static func parse(_ bytes: [UInt8], folder: String) throws -> Kubeconfig {
    guard let root = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self)) else {
      throw Failure("it is empty")
    }
    let name = root["current-context"]?.string ?? ""
    let context = try entry(name, of: "contexts", in: root)?["context"]
    guard let context, let cluster = context["cluster"]?.string else {
      throw Failure("current-context \"\(name)\" is not among its contexts")
    }
    let server = try entry(cluster, of: "clusters", in: root)?["cluster"]
    let user = try context["user"]?.string.flatMap { try entry($0, of: "users", in: root) }?["user"]
    func material(_ node: Node?, _ field: String) throws -> [UInt8]? {
      if let text = node?[field + "-data"]?.string {
        guard let data = Data(base64Encoded: text) else {
          throw Failure("\(field)-data is not base64")
        }
        return Array(data)
      }
      guard let path = node?[field]?.string else { return nil }
      let full = path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path
      guard let bytes = try ProviderStore.read(full) else { throw Failure("\(full) is not there") }
      return bytes
    }
    var out = Kubeconfig()
    out.verifies = server?["insecure-skip-tls-verify"]?.bool != true
    out.authorities = try material(server, "certificate-authority").map {
      try NIOSSLCertificate.fromPEMBytes($0)
    }
    out.credentials.certificates =
      try material(user, "client-certificate").map { try NIOSSLCertificate.fromPEMBytes($0) } ?? []
    out.credentials.key = try material(user, "client-key").map {
      try NIOSSLPrivateKey(bytes: $0, format: .pem)
    }
    out.credentials.token =
      try user?["token"]?.string
      ?? user?["tokenFile"]?.string.flatMap { try ProviderStore.read($0) }.map {
        String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace }
      }
    return out
  }

  private static func entry(_ name: String, of list: String, in root: Node) throws -> Node? {
    root[list]?.sequence?.first { $0["name"]?.string == name }
  }

  var tls: TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let authorities { configuration.trustRoots = .certificates(authorities) }
    configuration.certificateVerification = verifies ? .fullVerification : .none
    credentials.apply(to: &configuration)
    return configuration
  }
}
