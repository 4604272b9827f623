// The Kubernetes CA under `kubernetes/`: another thing than the nodes' identity. It signs only
// Kubernetes certificates, lives on control-plane nodes, and comes to a joiner with a token.

import FoundationEssentials
import HummingbirdTLS
import Membership
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

  /// TLS for the embedded API: a certificate of the CA, made at each start.
  func serverTLS(addresses: [String]) throws -> TLSChannelConfiguration {
    let issued = try authority().issueServer(addresses: addresses)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(issued.certificatePEM.utf8))
        .map { .certificate($0) },
      privateKey: .privateKey(
        try NIOSSLPrivateKey(bytes: Array(issued.privateKeyPEM.utf8), format: .pem)))
    configuration.minimumTLSVersion = .tlsv12
    return TLSChannelConfiguration(tlsConfiguration: configuration)
  }

  func remove() throws {
    guard directory.exists(directory.kubernetes) else { return }
    try directory.remove(key)
    try directory.remove(certificate)
  }

  /// Prints `kubeconfig` for the API server at that address.
  func writeKubeconfig(server: Address, name: String) throws {
    let authority = try authority()
    let client = try authority.issueClient(
      commonName: "muster-admin", organizations: ["system:masters"])
    let text = """
      apiVersion: v1
      kind: Config
      clusters:
      - name: muster
        cluster:
          certificate-authority-data: \(Self.base64(authority.certificatePEM))
          server: https://\(server)
      contexts:
      - name: muster
        context:
          cluster: muster
          user: admin
      current-context: muster
      users:
      - name: admin
        user:
          client-certificate-data: \(Self.base64(client.certificatePEM))
          client-key-data: \(Self.base64(client.privateKeyPEM))

      """
    try directory.write(Array(text.utf8), to: directory.kubeconfig)
  }

  private static func base64(_ text: String) -> String {
    Data(text.utf8).base64EncodedString()
  }
}
