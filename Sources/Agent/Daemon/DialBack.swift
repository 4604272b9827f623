// Whether a newcomer is where it says that it is, looked at before it is a member.
//
// The control plane must reach each of its nodes: one that advertises an address which only it
// knows (a virtual one, one behind NAT, one of another network) would be a voter in name only, and
// its join would wait for a log that nobody can send. So the node that admits it dials both of its
// ports, and wants the key there that the joiner's own connection proved.

import Foundation
import Membership
import NIOCore
import Transport

extension Daemon {
  /// - Throws: `APIError` (5) naming the address that does not lead to the joiner.
  func requireReachable(_ record: NodeRecord) async throws {
    let addresses = [record.endpoints.cluster, record.endpoints.datastore].compactMap(\.self)
    let problem = await withTaskGroup(of: (Int, String?).self) { group in
      for (place, address) in addresses.enumerated() {
        group.addTask { (place, await self.problem(at: address, of: record)) }
      }
      var problems: [Int: String] = [:]
      for await (place, problem) in group { problems[place] = problem }
      return addresses.indices.lazy.compactMap { problems[$0] }.first
    }
    guard let problem else { return }
    throw APIError(
      "cannot join: \(settings.name) was not led to \(record.name) by the address that it "
        + "advertises: \(problem). Nothing was changed and no token is spent. Start the agent of "
        + "\(record.name) with --address, one that the other nodes reach (and --listen, where the "
        + "machine itself has another), and see to it that nothing blocks these ports",
      code: "unreachable", exitCode: 5)
  }

  /// Why that address is not the newcomer's; nil if it is.
  private func problem(at address: Address, of record: NodeRecord) async -> String? {
    do {
      let certificate = try await PinnedProbe.fetchCertificate(
        HostPort(address.host.description, Int(address.port)), expectedFingerprint: nil,
        timeout: .seconds(2), group: group)
      let key = try NodeIdentity.keyDigest(ofCertificate: certificate)
      return key == record.key.bytes ? nil : "another node answers at \(address)"
    } catch {
      return "\(ClusterClient.failure(of: error, address))"
    }
  }
}
