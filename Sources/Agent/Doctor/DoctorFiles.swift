// What the doctor sees of files, without opening what it need not.

import FoundationEssentials
import Membership
import Transport
import Yams

#if canImport(Glibc)
  import Glibc
#endif

enum DoctorFiles {
  /// A file or folder; nil if there is none. Links are not followed.
  static func file(_ path: String, named name: String) -> DoctorFacts.File? {
    guard let info = FileStatus(path) else { return nil }
    let kind: DoctorFacts.File.Kind =
      switch info.kind {
      case .file: .file
      case .folder: .folder
      case .socket: .socket
      case .link, .other: .other
      }
    return DoctorFacts.File(
      path: name, kind: kind, mode: info.mode, owner: info.owner, size: Int(info.size))
  }

  /// Everything below a folder, at most 10,000 names.
  static func tree(_ folder: String) -> [DoctorFacts.File] {
    var found: [DoctorFacts.File] = []
    var waiting = [""]
    while let next = waiting.popLast(), found.count < 10_000 {
      let inside = next.isEmpty ? folder : "\(folder)/\(next)"
      let names = (try? FileManager.default.contentsOfDirectory(atPath: inside)) ?? []
      for name in names.sorted() {
        let path = next.isEmpty ? name : "\(next)/\(name)"
        guard let file = file("\(folder)/\(path)", named: path) else { continue }
        found.append(file)
        if file.kind == .folder { waiting.append(path) }
      }
    }
    return found
  }

  static func filesystem(_ path: String) -> DoctorFacts.Filesystem? {
    var info = statvfs()
    guard statvfs(path, &info) == 0 else { return nil }
    func bytes(_ blocks: UInt) -> Int {
      Int(clamping: blocks.multipliedReportingOverflow(by: info.f_frsize).partialValue)
    }
    let mounts = DoctorProcesses.text("/proc/self/mounts") ?? ""
    return DoctorFacts.Filesystem(
      type: type(of: path, mounts: mounts) ?? "unknown",
      isReadOnly: info.f_flag & UInt(ST_RDONLY) != 0, free: bytes(info.f_bavail),
      total: bytes(info.f_blocks), freeInodes: Int(clamping: info.f_favail),
      totalInodes: Int(clamping: info.f_files))
  }

  /// The type of the last mount at or above a path: `/dev/sda1 / ext4 rw,relatime 0 0`.
  static func type(of path: String, mounts: String) -> String? {
    var best: (length: Int, type: String)?
    for line in mounts.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 2 else { continue }
      let point = words[1].replacing("\\040", with: " ")
      let isAbove = point == "/" || path == point || path.hasPrefix("\(point)/")
      guard isAbove, point.count >= best?.length ?? 0 else { continue }
      best = (point.count, String(words[2]))
    }
    return best?.type
  }

  static func kubernetes(_ directory: DataDirectory) -> DoctorFacts.Kubernetes {
    var found = DoctorFacts.Kubernetes(authority: .absent, client: .absent)
    let files = KubernetesFiles(directory)
    let texts: (certificate: String, key: String?)?
    do {
      texts = try files.texts()
    } catch {
      found.authorityProblem = "\(error)"
      return found
    }
    if let texts {
      found.authority = dates(texts.certificate, directory.kubernetes + "/ca.crt")
      if texts.key != nil {
        do {
          _ = try KubernetesAuthority.load(from: directory.kubernetes)
        } catch {
          found.authorityProblem = "\(error)"
        }
      }
    }
    readKubeconfig(directory, texts?.certificate, &found)
    return found
  }

  private static func readKubeconfig(
    _ directory: DataDirectory, _ authority: String?, _ found: inout DoctorFacts.Kubernetes
  ) {
    do {
      guard let bytes = try directory.read(directory.kubeconfig) else { return }
      let root = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
      let cluster = root?["clusters"]?[0]?["cluster"]
      let user = root?["users"]?[0]?["user"]
      // A worker's names its node's certificate instead of holding one.
      let named = try user?["client-certificate"]?.string.flatMap { try directory.read($0) }
      let client =
        pem(user?["client-certificate-data"]) ?? named.map { String(decoding: $0, as: UTF8.self) }
      guard let client else {
        found.client = .broken("\(directory.kubeconfig) holds no client certificate")
        return
      }
      found.client = dates(client, directory.kubeconfig)
      if let authority {
        found.trustsAuthority = pem(cluster?["certificate-authority-data"]) == authority
      }
    } catch {
      found.client = .broken("\(directory.kubeconfig) cannot be read: \(error)")
    }
  }

  private static func pem(_ node: Node?) -> String? {
    node?.string.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func dates(
    _ text: String, _ path: String
  ) -> Seen<DoctorFacts.Kubernetes.Certificate> {
    do {
      let (from, until) = try CertificateDates.seconds(ofPEM: text)
      return .value(.init(from: from, until: until))
    } catch {
      return .broken("\(path) holds no certificate that can be read")
    }
  }
}
