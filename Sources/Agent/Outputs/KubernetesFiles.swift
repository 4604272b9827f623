// The Kubernetes CA under `kubernetes/`: another thing than the nodes' identity. It signs only
// Kubernetes certificates, lives on control-plane nodes, and comes to a joiner with a token.

import FoundationEssentials
import HummingbirdTLS
import Membership
import NIOCore
import NIOSSL
import Transport

struct KubernetesFiles {
  let directory: DataDirectory

  init(_ directory: DataDirectory) { self.directory = directory }

  private var certificate: String { directory.kubernetes + "/ca.crt" }
  private var key: String { directory.kubernetes + "/ca.key" }

  /// Both as PEM; nil if there is no CA here. `key` is nil on a worker.
  func texts() throws -> (certificate: String, key: String?)? {
    guard let certificate = try directory.read(certificate) else { return nil }
    let key = try directory.read(key)
    return (
      String(decoding: certificate, as: UTF8.self),
      key.map { String(decoding: $0, as: UTF8.self) }
    )
  }

  /// The CA, made now if there is none.
  func authority() throws -> KubernetesAuthority {
    if try directory.read(certificate) == nil {
      let made = try KubernetesAuthority.generate()
      try store(certificate: made.certificatePEM, key: made.privateKeyPEM)
    }
    return try KubernetesAuthority.load(from: directory.kubernetes)
  }

  /// Keeps what the join's answer brought; a worker gets no key.
  func store(certificate text: String, key secret: String?) throws {
    if let secret {
      try directory.write(Array(secret.utf8), to: key)
    } else {
      try directory.remove(key)
    }
    try directory.write(Array(text.utf8), to: certificate)
  }

  /// TLS for the embedded API: a certificate of the CA, made at each start. Clients are asked for
  /// one and not judged by it here: who may do what is decided, and refused with words, for each
  /// request.
  func serverTLS(addresses: [String]) throws -> TLSChannelConfiguration {
    let issued = try authority().issueServer(addresses: addresses)
    let chain = try NIOSSLCertificate.fromPEMBytes(Array(issued.certificatePEM.utf8))
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) },
      privateKey: .privateKey(
        try NIOSSLPrivateKey(bytes: Array(issued.privateKeyPEM.utf8), format: .pem)))
    configuration.minimumTLSVersion = .tlsv12
    configuration.certificateVerification = .optionalVerification
    configuration.trustRoots = .certificates(chain)
    return TLSChannelConfiguration(
      tlsConfiguration: configuration,
      customVerificationCallback: { chain, promise in
        let digest = chain.first.flatMap { try? TLSSettings.keyDigest(of: $0) }
        promise.succeed(digest == nil ? .failed : .certificateVerified)
      })
  }

  /// Only control-plane nodes may sign.
  func removeKey() throws(Failure) {
    if directory.exists(key) { try directory.remove(key) }
  }

  func remove() throws {
    guard directory.exists(directory.kubernetes) else { return }
    try directory.remove(key)
    try directory.remove(certificate)
  }

  /// Writes the administrator's kubeconfig for the API server at that address.
  func writeKubeconfig(server: Address) throws {
    let authority = try authority()
    let client = try authority.issueClient(
      commonName: "muster-admin", organizations: ["system:masters"])
    try writeKubeconfig(
      server: server, authority: authority.certificatePEM, name: nil,
      user: [
        "client-certificate-data: " + Self.base64(client.certificatePEM),
        "client-key-data: " + Self.base64(client.privateKeyPEM),
      ])
  }

  /// Writes a worker's kubeconfig: through its own proxy, with the key by which the cluster knows
  /// it, which is good for as long as it is a member. The key is named, never copied, so that who
  /// prints the file gives nothing away.
  func writeWorkerKubeconfig(_ settings: Settings) throws {
    guard let authority = try texts()?.certificate else { return }
    try writeKubeconfig(
      server: settings.proxyAddress, authority: authority,
      // The servers' certificates do not name every address that a proxy may listen on.
      name: "kubernetes",
      user: [
        "client-certificate: " + directory.identity + "/node.crt",
        "client-key: " + directory.identity + "/node.key",
      ])
  }

  private func writeKubeconfig(
    server: Address, authority: String, name: String?, user: [String]
  ) throws {
    let text = """
      apiVersion: v1
      kind: Config
      clusters:
      - name: muster
        cluster:
          certificate-authority-data: \(Self.base64(authority))
          server: https://\(server)\(name.map { "\n    tls-server-name: " + $0 } ?? "")
      contexts:
      - name: muster
        context:
          cluster: muster
          user: muster
      current-context: muster
      users:
      - name: muster
        user:
          \(user.joined(separator: "\n    "))

      """
    try directory.write(Array(text.utf8), to: directory.kubeconfig)
  }

  private static func base64(_ text: String) -> String {
    Data(text.utf8).base64EncodedString()
  }
}
