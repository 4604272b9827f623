// Where the API servers of a Kubernetes cluster are, as it says itself: the Endpoints or the
// EndpointSlices of the service `kubernetes`, which the API servers keep. A kubelet's credentials
// may read the first and not list the second, so the first is asked for first.

import FoundationEssentials
import Membership

/// The two objects, and the addresses in them.
enum KubernetesEndpoints {
  static let path = "/api/v1/namespaces/default/endpoints/kubernetes"
  static let slicesPath =
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    + "?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"

  private struct Port: Decodable {
    var name: String?
    var port: Int?
  }

  private struct Endpoints: Decodable {
    struct Subset: Decodable {
      struct Place: Decodable { var ip: String }
      var addresses: [Place]?
      var ports: [Port]?
    }
    var subsets: [Subset]?
  }

  private struct Slices: Decodable {
    struct Slice: Decodable {
      struct Endpoint: Decodable { var addresses: [String] }
      var endpoints: [Endpoint]?
      var ports: [Port]?
    }
    var items: [Slice]?
  }

  /// Of an `Endpoints` object; in order, each once.
  static func addresses(inEndpoints body: [UInt8]) throws -> [Address] {
    let subsets = try JSONDecoder().decode(Endpoints.self, from: Data(body)).subsets ?? []
    return addresses(subsets.map { ($0.addresses?.map(\.ip) ?? [], $0.ports ?? []) })
  }

  /// Of an `EndpointSliceList`; in order, each once.
  static func addresses(inSlices body: [UInt8]) throws -> [Address] {
    let slices = try JSONDecoder().decode(Slices.self, from: Data(body)).items ?? []
    return addresses(slices.map { ($0.endpoints?.flatMap(\.addresses) ?? [], $0.ports ?? []) })
  }

  /// The port named `https`, else MicroK8s's.
  private static func addresses(_ groups: [(hosts: [String], ports: [Port])]) -> [Address] {
    let all = groups.flatMap { hosts, ports in
      let port = ports.first { $0.name == "https" }?.port ?? 16443
      return hosts.compactMap { text -> Address? in
        guard let host = try? Host(parsing: text), let number = UInt16(exactly: port) else {
          return nil
        }
        return Address(host: host, port: number)
      }
    }
    return Set(all).sorted()
  }
}
