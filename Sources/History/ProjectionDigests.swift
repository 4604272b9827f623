// Every view of a state as text, and the SHA-256 of each: what a rebuilt history is compared with a
// living one by. The time that ages are counted from is the last event's, so that the digests are a
// function of the log alone.

import Crypto
package import Membership
import Projections
import Schema

/// The digests of all views at one index.
package struct ProjectionDigests: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package var name: String
    /// Hex SHA-256.
    package var digest: String
    package init(name: String, digest: String) {
      self.name = name
      self.digest = digest
    }
  }
  package var index: UInt64
  package var entries: [Entry]

  package init(index: UInt64, entries: [Entry]) {
    self.index = index
    self.entries = entries
  }

  package init(_ cluster: Cluster) {
    index = cluster.lastIndex
    entries = Self.texts(cluster, now: cluster.lastTime).map {
      Entry(name: $0.name, digest: Self.digest($0.text))
    }
    // What no view shows counts too: secrets' hashes, keys, indexes.
    entries.append(Entry(name: "state", digest: hex(SHA256.hash(data: cluster.packed().bytes))))
    if cluster.remembersCommands {
      entries.append(Entry(name: "commands", digest: Self.digest(Self.commands(cluster))))
    }
  }

  private static func digest(_ text: String) -> String {
    hex(SHA256.hash(data: Array(text.utf8)))
  }

  /// Each view by its name.
  package static func texts(_ cluster: Cluster, now: Timestamp) -> [(name: String, text: String)] {
    let report = StatusReport(cluster, now: now, outlook: nil, basis: .replayed)
    let provider = try? ProviderFile.render(EndpointList(cluster).apiservers)
    return [
      ("status", Self.withoutPlace(report.pretty)),
      ("nodes", report.nodes.table(wide: true, marked: false).render()),
      ("tokens", TokenList(cluster, now: now).table(issuer: false).render()),
      ("provider.yaml", provider ?? "(not written: no api server)\n"),
      ("facts", Facts(cluster).text),
    ]
  }

  /// The line with index and time changes with every event; the facts have both.
  private static func withoutPlace(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("as of index") }.joined(separator: "\n")
  }

  /// What is remembered so that no command is carried out twice.
  private static func commands(_ cluster: Cluster) -> String {
    cluster.sessions.all.map {
      "\($0.command) \($0.fingerprint) \($0.first) \($0.latest) \($0.time.milliseconds)\n"
    }.joined() + "\(cluster.sessions.forgotten?.milliseconds ?? -1)\n"
  }

  /// The names of views that differ.
  package func differences(from other: ProjectionDigests) -> [String] {
    entries.filter { entry in other.entries.first { $0.name == entry.name } != entry }.map(\.name)
  }

  package var document: Document {
    .answer([
      ("index", .number(index)), ("digests", .object(entries.map { ($0.name, .text($0.digest)) })),
    ])
  }
}
