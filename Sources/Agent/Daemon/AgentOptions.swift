// How an agent is told to run: flags, environment, file, defaults, in this order.

import FoundationEssentials
import Membership
import NIOCore
import Yams

#if canImport(Glibc)
  import Glibc
#endif

/// What was given by flag or environment; nil where nothing was.
package struct AgentOptions: Sendable {
  package var dataDirectory = "/var/lib/muster"
  package var config: String?
  package var name: String?
  package var address: String?
  package var listen: String?
  package var extraAddresses: [String] = []
  package var clusterPort: Int?
  package var datastorePort: Int?
  package var apiserverPort: Int?
  package var apiserverEndpoint: String?
  package var failureDomain: String?
  /// `NAME=ADDRESS`: where nodes are now that moved while this one was down.
  package var peers: [String] = []
  /// Like 90s or 10m.
  package var hookTimeout: String?
  package var acceptsMicroK8s: Bool?
  package var hasNoProxy: Bool?
  package var logLevel: String?
  package var logFormat: String?

  package init() {}

  /// Fills what was not given from `agent.yaml` (or `--config FILE`).
  /// - Throws: `Failure` naming file and key.
  package func merged() throws -> AgentOptions {
    let directory = DataDirectory(dataDirectory)
    let path = config ?? directory.configFile
    guard let bytes = try directory.read(path) else {
      if config != nil { throw Failure("cannot read \(path): no such file", exitCode: 2) }
      return self
    }
    let file: ConfigFile
    do {
      file = try YAMLDecoder().decode(
        ConfigFile.self, from: String(decoding: bytes, as: UTF8.self))
    } catch {
      throw Failure("cannot read \(path): \(error)", exitCode: 2)
    }
    var out = self
    out.name = name ?? file.name
    out.address = address ?? file.address
    out.listen = listen ?? file.listen
    if extraAddresses.isEmpty { out.extraAddresses = file.extraAddresses ?? [] }
    out.clusterPort = clusterPort ?? file.clusterPort
    out.datastorePort = datastorePort ?? file.datastorePort
    out.apiserverPort = apiserverPort ?? file.apiserverPort
    out.apiserverEndpoint = apiserverEndpoint ?? file.apiserverEndpoint
    out.failureDomain = failureDomain ?? file.failureDomain
    if peers.isEmpty { out.peers = file.peers ?? [] }
    out.hookTimeout = hookTimeout ?? file.hookTimeout
    out.acceptsMicroK8s = acceptsMicroK8s ?? file.acceptsMicroK8s
    out.hasNoProxy = hasNoProxy ?? file.hasNoProxy
    out.logLevel = logLevel ?? file.logLevel
    out.logFormat = logFormat ?? file.logFormat
    return out
  }

  /// The file's keys are the flags'.
  private struct ConfigFile: Decodable {
    var name: String?
    var address: String?
    var listen: String?
    var extraAddresses: [String]?
    var clusterPort: Int?
    var datastorePort: Int?
    var apiserverPort: Int?
    var apiserverEndpoint: String?
    var failureDomain: String?
    var peers: [String]?
    var hookTimeout: String?
    var acceptsMicroK8s: Bool?
    var hasNoProxy: Bool?
    var logLevel: String?
    var logFormat: String?

    enum CodingKeys: String, CodingKey {
      case name, address, listen
      case extraAddresses = "extra-address"
      case clusterPort = "cluster-port"
      case datastorePort = "datastore-port"
      case apiserverPort = "apiserver-port"
      case apiserverEndpoint = "apiserver-endpoint"
      case failureDomain = "failure-domain"
      case peers = "peer"
      case hookTimeout = "hook-timeout"
      case acceptsMicroK8s = "accept-microk8s"
      case hasNoProxy = "no-proxy"
      case logLevel = "log-level"
      case logFormat = "log-format"
    }
  }

  /// Everything checked and defaulted; `recorded` is what the node knew of itself when it last ran.
  /// - Throws: `Failure` with exit code 2 naming what is wrong.
  func resolved(recorded: NodeFile?) throws -> Settings {
    let name = try nodeName(recorded)
    let own = ThisMachine.addresses()
    let host: Host
    if let address {
      host = try Self.host(address, "--address")
    } else if let text = recorded?.address, let known = try? Host(parsing: text),
      known.isLoopback || own.contains(known)
    {
      host = known
    } else {
      host = ThisMachine.defaultAddress() ?? .ipv4(0x7f00_0001)
    }
    let listen = try self.listen.map { try Self.host($0, "--listen") } ?? host
    if case .name(let name) = listen {
      do {
        _ = try SocketAddress.makeAddressResolvingHost(name, port: 0)
      } catch {
        throw Failure(
          "cannot listen on \(name): this machine cannot resolve that name (\(error)); give an "
            + "address with --address, or where to bind with --listen", exitCode: 2)
      }
    } else if !listen.isUnspecified, !listen.isLoopback, !own.contains(listen) {
      throw Failure(
        "cannot listen on \(listen): this machine does not have that address; it has "
          + "\(own.map(\.description).joined(separator: ", "))", exitCode: 2)
    }
    let extra =
      try extraAddresses.isEmpty && address == nil
      ? own.filter { !$0.isLoopback }
      : extraAddresses.map { try Self.host($0, "--extra-address") }
    for (flag, host) in [("--address", host)] + extra.map({ ("--extra-address", $0) }) {
      guard let why = host.unreachability else { continue }
      throw Failure(
        "\(flag) \(host) cannot be reached by others: \(why); give an address of this machine and "
          + "use --listen to bind elsewhere", exitCode: 2)
    }
    let settings = Settings(
      dataDirectory: DataDirectory(dataDirectory), name: name, address: host, listen: listen,
      extraAddresses: extra,
      clusterPort: try Self.port(clusterPort ?? recorded?.clusterPort, 25000, "--cluster-port"),
      datastorePort: try Self.port(
        datastorePort ?? recorded?.datastorePort, 19001, "--datastore-port"),
      apiserverPort: try Self.port(
        apiserverPort ?? recorded?.apiserverPort, 16443, "--apiserver-port"),
      apiserverEndpoint: try apiserverEndpoint.map { text in
        do throws(Address.Invalid) {
          return try Address(parsing: text)
        } catch {
          throw Failure("--apiserver-endpoint \"\(text)\": \(error)", exitCode: 2)
        }
      },
      failureDomain: failureDomain ?? "1", peers: try peerAddresses(),
      hookTimeout: try hookSeconds(), acceptsMicroK8s: acceptsMicroK8s ?? false,
      hasProxy: !(hasNoProxy ?? false))
    let ports = [settings.clusterPort, settings.datastorePort, settings.apiserverPort]
    guard Set(ports).count == ports.count else {
      throw Failure(
        "--cluster-port, --datastore-port and --apiserver-port are "
          + ports.map(String.init).joined(separator: ", ") + ": give each a port of its own",
        exitCode: 2)
    }
    return settings
  }

  private func peerAddresses() throws -> [String: Host] {
    var out: [String: Host] = [:]
    for text in peers {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw Failure("--peer \"\(text)\": a name and an address, like n2=10.0.0.2", exitCode: 2)
      }
      out[parts[0].lowercased()] = try Self.host(String(parts[1]), "--peer")
    }
    return out
  }

  private func hookSeconds() throws -> Int64 {
    guard let hookTimeout else { return 60 }
    let seconds: Int64
    do throws(Failure) {
      seconds = try DurationText.seconds(hookTimeout)
    } catch {
      throw Failure("--hook-timeout \"\(hookTimeout)\": \(error)", exitCode: 2)
    }
    guard seconds <= 86_400 else {
      throw Failure("--hook-timeout \(hookTimeout): a hook may take a day at most", exitCode: 2)
    }
    return seconds
  }

  private func nodeName(_ recorded: NodeFile?) throws -> String {
    if let recorded, let name, name != recorded.name {
      throw Failure(
        "--name \(name): this node is known as \(recorded.name) in its cluster, and a name is for "
          + "life; leave the cluster first", exitCode: 2)
    }
    let name = (self.name ?? recorded?.name ?? ThisMachine.hostName()).lowercased()
    do throws(NodeName.Invalid) {
      try NodeName.validate(name)
    } catch {
      throw Failure(
        "the node name \"\(name)\" cannot be used: \(error); give another with --name",
        exitCode: 2)
    }
    return name
  }

  private static func host(_ text: String, _ flag: String) throws -> Host {
    do throws(Host.Invalid) {
      return try Host(parsing: text)
    } catch {
      throw Failure("\(flag) \"\(text)\": \(error)", exitCode: 2)
    }
  }

  private static func port(_ port: Int?, _ usual: Int, _ flag: String) throws -> Int {
    let port = port ?? usual
    guard (1...65535).contains(port) else {
      throw Failure("\(flag) \(port): a port is from 1 to 65535", exitCode: 2)
    }
    return port
  }
}

/// What this machine is called and where it is.
enum ThisMachine {
  static func hostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    gethostname(&buffer, 255)
    return String(
      decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Addresses of its interfaces, link-local ones not among them.
  static func addresses() -> [Host] {
    let devices = (try? System.enumerateDevices()) ?? []
    var out: [Host] = []
    for device in devices {
      guard let text = device.address?.ipAddress, let host = try? Host(parsing: text),
        !text.hasPrefix("fe80"), !text.hasPrefix("169.254."), !out.contains(host)
      else { continue }
      out.append(host)
    }
    return out
  }

  /// The address that the default route leaves from; nothing is sent to find out.
  static func defaultAddress() -> Host? {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_port = UInt16(9).bigEndian
    // 192.0.2.1 is set aside for documentation (RFC 5737): a datagram socket only looks up a route.
    target.sin_addr.s_addr = UInt32(0xc000_0201).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = withUnsafePointer(to: &target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, size) == 0
      }
    }
    guard connected else { return nil }
    let found = withUnsafeMutablePointer(to: &target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &size) == 0
      }
    }
    guard found else { return nil }
    let host = Host.ipv4(UInt32(bigEndian: target.sin_addr.s_addr))
    return host.isUnspecified ? nil : host
  }
}
