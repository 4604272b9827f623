// provider.yaml belongs to two: the list of servers is muster's, everything else an operator's. A
// health check or a servers transport that somebody added survives every refresh, comments and all,
// since only the lines of the list are replaced in the text.

import Membership
import Projections
import Yams

/// What provider.yaml is after the list of API servers changed.
enum ProviderWriter {
  /// The text with these servers.
  /// - Parameters:
  ///   - servers: not empty; where it is `ProviderFile.Empty` is thrown.
  ///   - old: what the file has now. Where that cannot be understood the answer is a new file.
  static func text(_ servers: [Address], replacing old: [UInt8]?, file: String) throws -> [UInt8] {
    let fresh = Array(try ProviderFile.render(servers).utf8)
    guard let old, let list = try? ProviderReader.servers(in: old, file: file) else {
      return fresh
    }
    let lines = try ProviderFile.serverLines(servers)
    let wanted = Set(servers)
    for candidate in [replacingLines(of: list, in: old, with: lines), rebuilt(old, lines)] {
      guard let candidate,
        let found = try? ProviderReader.addresses(candidate, file: file), Set(found) == wanted
      else { continue }
      return candidate
    }
    return fresh
  }

  /// The list in block style: its lines are the ones from its first item to the next line that is
  /// not deeper.
  private static func replacingLines(of list: Node, in old: [UInt8], with lines: [String])
    -> [UInt8]?
  {
    guard let first = list.sequence?.first?.mark ?? list.mark,
      let mark = list.mark, list.sequence?.style != .flow
    else { return nil }
    var text = String(decoding: old, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false)
    let start = min(mark.line, first.line) - 1
    guard text.indices.contains(start) else { return nil }
    let indent = text[start].prefix { $0 == " " }
    guard text[start].dropFirst(indent.count).hasPrefix("-") else { return nil }
    var end = start + 1
    for index in end..<text.count {
      let depth = text[index].prefix { $0 == " " }.count
      let rest = text[index].dropFirst(depth)
      // Words between two items are of the list; after the last one they are not.
      if rest.isEmpty || rest.hasPrefix("#") { continue }
      guard depth > indent.count || depth == indent.count && rest.hasPrefix("-") else { break }
      end = index + 1
    }
    text.replaceSubrange(start..<end, with: lines.map { indent + $0 })
    return Array(text.joined(separator: "\n").utf8)
  }

  /// The whole file anew from what it means; comments are lost.
  private static func rebuilt(_ old: [UInt8], _ lines: [String]) -> [UInt8]? {
    guard var root = try? Yams.compose(yaml: String(decoding: old, as: UTF8.self)),
      let list = try? Yams.compose(yaml: lines.joined(separator: "\n"))
    else { return nil }
    set(list, at: ["tcp", "services", "kube-apiserver", "loadBalancer", "servers"][...], in: &root)
    return (try? Yams.serialize(node: root)).map { Array($0.utf8) }
  }

  private static func set(_ value: Node, at path: ArraySlice<String>, in node: inout Node) {
    guard let name = path.first else {
      node = value
      return
    }
    guard var inner = node[name] else { return }
    set(value, at: path.dropFirst(), in: &inner)
    node[name] = inner
  }
}
