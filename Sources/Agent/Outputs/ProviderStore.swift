// Where provider.yaml lies under a data dir. Whoever may write there could turn a folder into a
// link; an agent that runs as root must not be led out of its own folder by that.

import Membership
import Projections
import Transport

#if canImport(Glibc)
  import Glibc
#endif

/// Reads and writes the files of a worker's proxy.
struct ProviderStore {
  let directory: DataDirectory

  init(_ directory: DataDirectory) { self.directory = directory }

  /// A file's bytes, at most a little more than may be in it; nil if it is not there.
  static func read(_ file: String) throws(Failure) -> [UInt8]? {
    let handle = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard handle >= 0 else {
      if errno == ENOENT { return nil }
      throw .system("read", file)
    }
    defer { close(handle) }
    guard FileStatus(descriptor: handle)?.kind == .file else {
      throw Failure("cannot read \(file): it is not a plain file", exitCode: 65)
    }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while out.count <= ProviderReader.limit {
      let count = Glibc.read(handle, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system("read", file) }
      if count == 0 { break }
      out += chunk[..<count]
    }
    return out
  }

  /// Writes the list into provider.yaml, unless it stands there already.
  /// - Returns: whether the file was changed.
  @discardableResult
  func write(_ servers: [Address]) throws -> Bool {
    try refuseLinks()
    let old = try directory.read(directory.provider)
    let text = try ProviderWriter.text(servers, replacing: old, file: directory.provider)
    if text != old { try directory.write(text, to: directory.provider) }
    try writeEntry()
    return text != old
  }

  /// traefik.yaml beside it, so that a traefik can be started on the same folder; an operator's
  /// stays.
  private func writeEntry() throws {
    let file = directory.path + "/args/traefik/traefik.yaml"
    guard !directory.exists(file) else { return }
    let text = """
      entryPoints:
        apiserver:
          address: ":16443"
      providers:
        file:
          filename: \(directory.provider)
          watch: true

      """
    try directory.write(Array(text.utf8), to: file)
  }

  /// - Throws: `Failure` where a part of the path is a symbolic link.
  private func refuseLinks() throws(Failure) {
    for path in ["/args", "/args/traefik", "/args/traefik/provider.yaml"] {
      guard FileStatus(directory.path + path)?.kind == .link else { continue }
      throw Failure(
        "cannot write \(directory.provider): \(directory.path)\(path) is a symbolic link, and "
          + "links are not followed out of the data dir; put the file itself there")
    }
  }
}
