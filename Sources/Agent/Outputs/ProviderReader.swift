// provider.yaml is read more strictly than traefik reads it: traefik drops an address without a
// port, takes port 0, and loads a file cut in the middle with the half that is left. Who trusts
// such a list sends clients nowhere, so here the whole file is good or nothing of it is used.

import Membership
import Yams

/// Reads the API servers of a provider.yaml.
enum ProviderReader {
  /// No list of servers is longer than this; a file that is was not made by hand or by muster.
  static let limit = 1 << 20

  /// The addresses, in the order of the file.
  /// - Throws: `Failure` (exit code 65) naming file and line and what is wrong there.
  static func addresses(_ bytes: [UInt8], file: String) throws(Failure) -> [Address] {
    let servers = try servers(in: bytes, file: file)
    var seen: Set<Address> = []
    var out: [Address] = []
    for server in servers.sequence ?? [] {
      let line = server.mark?.line
      guard let field = server.mapping?["address"], let text = field.scalar?.string else {
        throw wrong(file, line, "a server needs an address: HOST:PORT")
      }
      let address: Address
      do throws(Address.Invalid) {
        address = try Address(parsing: text)
      } catch {
        throw wrong(file, field.mark?.line ?? line, "\(error)")
      }
      guard seen.insert(address).inserted else {
        throw wrong(file, line, "\(address) is listed twice")
      }
      out.append(address)
    }
    guard !out.isEmpty else {
      throw wrong(file, servers.mark?.line, "the list of servers is empty")
    }
    return out
  }

  /// The node of the list.
  static func servers(in bytes: [UInt8], file: String) throws(Failure) -> Node {
    var node = try root(bytes, file: file)
    for name in ["tcp", "services", "kube-apiserver", "loadBalancer", "servers"] {
      guard let next = node.mapping?[name] else {
        throw wrong(
          file, node.mark?.line,
          "\(name) is missing of tcp.services.kube-apiserver.loadBalancer.servers")
      }
      node = next
    }
    guard node.sequence != nil else {
      throw wrong(file, node.mark?.line, "servers is not a list")
    }
    return node
  }

  private static func root(_ given: [UInt8], file: String) throws(Failure) -> Node {
    guard given.count <= limit else {
      throw wrong(file, nil, "it is larger than 1 MiB")
    }
    let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
    let bytes = given.starts(with: byteOrderMark) ? Array(given.dropFirst(3)) : given
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw wrong(file, nil, "it is not UTF-8")
    }
    if let control = bytes.firstIndex(where: { $0 < 32 && ![9, 10, 13].contains($0) }) {
      let line = 1 + bytes[..<control].count { $0 == 10 }
      throw wrong(file, line, "a control character, as a torn write leaves")
    }
    if let line = lineOfAlias(text) {
      throw wrong(file, line, "anchors and aliases (& and *) are not taken")
    }
    do {
      let parser = try Parser(yaml: text)
      guard let root = try parser.singleRoot() else { throw wrong(file, nil, "it is empty") }
      return root
    } catch let failure as Failure {
      throw failure
    } catch let error as YamlError {
      throw wrong(file, line(of: error), reason(of: error))
    } catch {
      throw wrong(file, nil, "\(error)")
    }
  }

  /// Where a value begins with an anchor or an alias: a few of those can make a small file a huge
  /// tree.
  private static func lineOfAlias(_ text: String) -> Int? {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    return lines.firstIndex(where: hasAlias).map { $0 + 1 }
  }

  private static func hasAlias(_ line: Substring) -> Bool {
    var previous: Character = " "
    var quote: Character?
    for (character, next) in zip(line, line.dropFirst() + " ") {
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "#", previous == " " {
        return false
      } else if character == "\"" || character == "'" {
        quote = character
      } else if character == "&" || character == "*", " [{,".contains(previous),
        next.isLetter || next.isNumber
      {
        return true
      }
      previous = character
    }
    return false
  }

  private static func line(of error: YamlError) -> Int? {
    switch error {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
      mark.line
    case .duplicatedKeysInMapping(_, let context): context.mark.line
    default: nil
    }
  }

  private static func reason(of error: YamlError) -> String {
    switch error {
    case .scanner(_, let problem, _, _), .parser(_, let problem, _, _),
      .composer(_, let problem, _, _):
      problem
    case .duplicatedKeysInMapping(let keys, _):
      "a key stands there twice: \(keys.map { "\($0)" }.sorted().joined(separator: ", "))"
    default: "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
    }
  }

  private static func wrong(_ file: String, _ line: Int?, _ why: String) -> Failure {
    Failure("\(file)\(line.map { ":\($0)" } ?? ""): \(why)", exitCode: 65)
  }
}
