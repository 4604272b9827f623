// args/apiserver-proxy in MicroK8s's form: one flag a line, its value after a space or an equals
// sign, empty lines and comments between them.

import Membership

/// The flags of a worker's proxy.
struct ProxyArguments: Equatable {
  /// Seconds between two refreshes at most; 0: provider.yaml belongs to the operator.
  var refreshInterval: Int64 = 30

  static func load(_ directory: DataDirectory) throws(Failure) -> ProxyArguments {
    guard let bytes = try directory.read(directory.proxyArguments) else { return ProxyArguments() }
    return try parse(bytes, file: directory.proxyArguments)
  }

  /// - Throws: `Failure` (exit code 2) naming file and line.
  static func parse(_ bytes: [UInt8], file: String) throws(Failure) -> ProxyArguments {
    var arguments = ProxyArguments()
    let text = String(decoding: bytes, as: UTF8.self)
    for (number, line) in text.split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline
    ).enumerated() {
      let words = line.split(
        maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" || $0 == "=" })
      guard let flag = words.first, !flag.hasPrefix("#"), flag == "--refresh-interval" else {
        // MicroK8s's other flags say where files are, which is fixed here.
        continue
      }
      let value = words.count > 1 ? trimmed(words[1]) : ""
      do throws(Failure) {
        arguments.refreshInterval = try DurationText.seconds(value, allowingZero: true)
      } catch {
        throw Failure(
          "\(file):\(number + 1): --refresh-interval: \(error); 0 leaves provider.yaml alone",
          exitCode: 2)
      }
    }
    return arguments
  }

  private static func trimmed(_ text: Substring) -> String {
    let quotes: Set<Character> = [" ", "\t", "\"", "'"]
    var out = text.drop { quotes.contains($0) }
    while let last = out.last, quotes.contains(last) { out.removeLast() }
    return String(out)
  }

  /// Written when a node becomes a worker, unless the operator's are there.
  static func writeDefaults(_ directory: DataDirectory) throws(Failure) {
    guard try directory.read(directory.proxyArguments) == nil else { return }
    let text = """
      --traefik-config \(directory.path)/args/traefik/traefik.yaml
      --refresh-interval 30s

      """
    try directory.write(Array(text.utf8), to: directory.proxyArguments)
  }
}
