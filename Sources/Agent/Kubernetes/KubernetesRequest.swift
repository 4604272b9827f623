// What a request asks for, read from its path, its query and its Accept header. Nothing here trusts a
// byte of it: what cannot be read is told, with the place and the reason.

import Membership

/// Where a path leads.
enum KubernetesPlace: Equatable {
  case live
  case ready
  case version
  case root
  case coreVersions
  case groups
  case group(String)
  case resources(group: String)
  case collection(KubernetesKind, namespace: String?)
  case object(KubernetesKind, namespace: String?, name: String)
  case unknown

  init(path: String) {
    guard let decoded = PercentEncoding.decode(path, plusIsSpace: false) else {
      self = .unknown
      return
    }
    let words = decoded.split(separator: "/").map(String.init)
    switch words.first {
    case nil: self = .root
    case "livez": self = .live
    case "readyz", "healthz": self = .ready
    case "version" where words.count == 1: self = .version
    case "api": self = Self.below(group: "", words.dropFirst(), all: .coreVersions)
    case "apis" where words.count == 1: self = .groups
    case "apis": self = Self.below(group: words[1], words.dropFirst(2), all: .group(words[1]))
    default: self = .unknown
    }
  }

  private static func below(
    group: String, _ words: ArraySlice<String>, all: KubernetesPlace
  ) -> KubernetesPlace {
    guard let version = words.first else { return all }
    guard version == "v1" else { return .unknown }
    var rest = Array(words.dropFirst())
    if rest.isEmpty { return .resources(group: group) }
    var namespace: String?
    if group.isEmpty, rest.count <= 2, rest[0] == "namespaces" {
      // The namespaces themselves.
    } else if rest[0] == "namespaces", rest.count >= 3 {
      namespace = rest[1]
      rest.removeFirst(2)
    }
    guard let kind = KubernetesKind(rawValue: rest[0]), kind.group == group, rest.count <= 2,
      kind.isNamespaced || namespace == nil
    else { return .unknown }
    if rest.count == 1 { return .collection(kind, namespace: namespace) }
    guard !kind.isNamespaced || namespace != nil else { return .unknown }
    return .object(kind, namespace: namespace, name: rest[1])
  }
}

/// In which form the answer is wanted: the first of Accept that can be given.
enum KubernetesForm: Equatable {
  case plain
  case table(version: String)
  /// Metadata alone.
  case partial(version: String)
  /// All of discovery in one answer.
  case aggregated(version: String)

  /// Nil if none of what is accepted can be given. Whoever asks for Protobuf gets JSON, which the
  /// Content-Type says: clients of Kubernetes read both.
  init?(accept: String?) {
    guard let accept, !accept.isEmpty else {
      self = .plain
      return
    }
    for clause in accept.split(separator: ",") {
      let parts = clause.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
      guard let type = parts.first,
        ["application/json", "application/vnd.kubernetes.protobuf", "application/*", "*/*"]
          .contains(type)
      else { continue }
      var parameters: [String: String] = [:]
      for part in parts.dropFirst() {
        let pair = part.split(separator: "=", maxSplits: 1)
        if pair.count == 2 { parameters[String(pair[0])] = String(pair[1]) }
      }
      if let form = Self(parameters) {
        self = form
        return
      }
    }
    return nil
  }

  private init?(_ parameters: [String: String]) {
    guard let shape = parameters["as"] else {
      self = .plain
      return
    }
    let version = parameters["v"] ?? ""
    switch (shape, parameters["g"] ?? "", version) {
    case ("Table", "meta.k8s.io", "v1"), ("Table", "meta.k8s.io", "v1beta1"):
      self = .table(version: version)
    case ("PartialObjectMetadataList", "meta.k8s.io", "v1"),
      ("PartialObjectMetadata", "meta.k8s.io", "v1"):
      self = .partial(version: version)
    case ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"),
      ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1"):
      self = .aggregated(version: version)
    default: return nil
    }
  }
}

/// The options of a list or a watch (meta/v1, ListOptions).
struct KubernetesOptions: Equatable {
  enum Match: String {
    case exact = "Exact"
    case notOlderThan = "NotOlderThan"
  }
  var selection = KubernetesSelection()
  var isWatch = false
  /// Nil: the latest; 0: whatever is here.
  var version: UInt64?
  var match: Match?
  var limit: Int?
  var next: KubernetesPage?
  var allowsBookmarks = false
  var sendsInitialEvents = false
  /// Seconds that a watch lasts.
  var timeout: UInt64?
  var include = KubernetesTable.Include.metadata

  init() {}

  /// - Throws: `KubernetesError`: 400 for what cannot be read, 422 for what does not go together.
  init(
    query: String?, kind: KubernetesKind, namespace: String?, name: String? = nil
  ) throws(KubernetesError) {
    selection.namespace = kind.isNamespaced ? namespace : nil
    if let name {
      selection.fields.append(
        FieldRequirement(field: "metadata.name", value: name, isEqual: true))
    }
    var given: Set<String> = []
    for (name, value) in try Self.parameters(query) {
      given.insert(name)
      try take(name, value, kind)
    }
    try check(given)
  }

  private static func parameters(
    _ query: String?
  ) throws(KubernetesError) -> [(String, String)] {
    var parameters: [(String, String)] = []
    for part in (query ?? "").split(separator: "&") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentEncoding.decode(pair[0], plusIsSpace: true),
        let value = PercentEncoding.decode(pair.count == 2 ? pair[1] : "", plusIsSpace: true)
      else { throw .badRequest("invalid URL escape in \"\(part)\"") }
      parameters.append((name, value))
    }
    return parameters
  }

  private mutating func take(
    _ name: String, _ value: String, _ kind: KubernetesKind
  ) throws(KubernetesError) {
    switch name {
    case "watch": isWatch = try Self.truth(name, value)
    case "allowWatchBookmarks": allowsBookmarks = try Self.truth(name, value)
    case "sendInitialEvents": sendsInitialEvents = try Self.truth(name, value)
    case "labelSelector": selection.labels = try LabelRequirement.parse(value)
    case "fieldSelector": selection.fields += try FieldRequirement.parse(value, for: kind)
    case "resourceVersion":
      if !value.isEmpty { version = try Self.number(name, value) }
    case "resourceVersionMatch":
      guard !value.isEmpty else { return }
      guard let match = Match(rawValue: value) else {
        throw .invalid(
          name,
          "Unsupported value: \"\(value)\": supported values: \"Exact\", \"NotOlderThan\"",
          "FieldValueNotSupported")
      }
      self.match = match
    case "limit":
      let number = try Self.number(name, value)
      if number > 0 { limit = Int(clamping: number) }
    case "continue":
      if !value.isEmpty { next = try KubernetesPage(token: value) }
    case "timeoutSeconds": timeout = try Self.number(name, value)
    case "includeObject":
      guard let include = KubernetesTable.Include(rawValue: value.isEmpty ? "Metadata" : value)
      else {
        throw .badRequest("unrecognized includeObject value: \"\(value)\"")
      }
      self.include = include
    default: break
    }
  }

  /// The rules of k8s.io/apimachinery, ValidateListOptions.
  private func check(_ given: Set<String>) throws(KubernetesError) {
    if next != nil, version != nil, version != 0 {
      throw .badRequest("specifying resource version is not allowed when using continue")
    }
    func forbidden(_ why: String) -> KubernetesError {
      .invalid("resourceVersionMatch", "Forbidden: \(why)", "FieldValueForbidden")
    }
    guard isWatch else {
      if given.contains("sendInitialEvents") {
        throw .invalid(
          "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list",
          "FieldValueForbidden")
      }
      guard match != nil else { return }
      if next != nil { throw forbidden("resourceVersionMatch is forbidden when using continue") }
      if version == nil {
        throw forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
      }
      if match == .exact, version == 0 {
        throw forbidden(
          "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
      }
      return
    }
    if given.contains("sendInitialEvents") {
      if match != .notOlderThan {
        throw forbidden(
          "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
      }
      if sendsInitialEvents, !allowsBookmarks {
        throw .invalid(
          "allowWatchBookmarks", "Forbidden: sendInitialEvents requires allowWatchBookmarks",
          "FieldValueForbidden")
      }
    } else if match != nil {
      throw forbidden(
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    }
  }

  private static func truth(_ name: String, _ value: String) throws(KubernetesError) -> Bool {
    switch value {
    case "1", "t", "T", "true", "TRUE", "True": return true
    case "", "0", "f", "F", "false", "FALSE", "False": return false
    default: throw .badRequest("invalid value for \(name): \"\(value)\" is not true or false")
    }
  }

  private static func number(_ name: String, _ value: String) throws(KubernetesError) -> UInt64 {
    guard let number = UInt64(value), number <= Int64.max, !value.hasPrefix("+") else {
      throw .badRequest("invalid value for \(name): \"\(value)\" is not a whole number")
    }
    return number
  }
}

/// Where a list goes on: the moment of its first page, and the name that was last told.
struct KubernetesPage: Equatable {
  var index: UInt64
  var after: String

  init(index: UInt64, after: String) {
    self.index = index
    self.after = after
  }

  /// Clients hand back what they were given.
  /// - Throws: `KubernetesError` 400 for anything else.
  init(token: String) throws(KubernetesError) {
    let parts = token.split(separator: "_", maxSplits: 1)
    guard parts.count == 2, let index = UInt64(parts[0]), let name = bytes(hex: parts[1]) else {
      throw .badRequest("continue key is not valid: \"\(token)\"")
    }
    self.init(index: index, after: String(decoding: name, as: UTF8.self))
  }

  var token: String { "\(index)_\(hex(after.utf8))" }
}

enum PercentEncoding {
  /// Nil if a `%` is not followed by two hex digits, or the bytes are not UTF-8.
  static func decode(_ text: some StringProtocol, plusIsSpace: Bool) -> String? {
    var out: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "%"):
        let digits = String(decoding: rest.prefix(2), as: UTF8.self)
        guard let value = bytes(hex: digits), value.count == 1 else { return nil }
        out.append(value[0])
        rest = rest.dropFirst(2)
      case UInt8(ascii: "+") where plusIsSpace: out.append(32)
      default: out.append(byte)
      }
    }
    return String(validating: out, as: UTF8.self)
  }
}
