// provider.yaml as MicroK8s writes it, byte for byte, so that its proxy, a real traefik and ours
// can all load it. An empty list once made workers forget their control plane: it is never
// rendered.

package import Membership

/// The text of a worker's provider.yaml.
package enum ProviderFile {
  /// There is no API server to list.
  package struct Empty: Error, Hashable, Sendable, CustomStringConvertible {
    package init() {}
    package var description: String {
      "provider.yaml was not written: the list of API servers is empty"
    }
  }

  /// Servers sorted as strings, each once. Throws for an empty list.
  package static func render(_ servers: [Address]) throws(Empty) -> String {
    let lines = try serverLines(servers).map { "        \($0)\n" }
    return """
      tcp:
        routers:
          Router-1:
            rule: HostSNI(`*`)
            service: kube-apiserver
            tls:
              passthrough: true
        services:
          kube-apiserver:
            loadBalancer:
              servers:

      """ + lines.joined()
  }

  /// The items of the list, one a line, not indented. Throws for an empty list.
  package static func serverLines(_ servers: [Address]) throws(Empty) -> [String] {
    guard !servers.isEmpty else { throw Empty() }
    return Set(servers.map(\.description)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .map { "- address: \(quoted($0))" }
  }

  /// A plain scalar must not begin with a bracket.
  private static func quoted(_ text: String) -> String {
    text.hasPrefix("[") ? "'\(text)'" : text
  }
}
