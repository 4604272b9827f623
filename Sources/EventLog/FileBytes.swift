import Glibc

/// The bytes of a file that may be long, read piece by piece where they lie. What cannot be read
/// twice (a pipe, as a shell's `<(…)` is one) is read once and kept.
package final class FileBytes: Sendable {
  private enum Place: Sendable {
    case file(descriptor: Int32)
    case memory([UInt8])
  }

  package let name: String
  package let count: Int
  private let place: Place

  /// - Throws: `Fault` if there is no such file, or no right to read it.
  package init(path: String) throws(Fault) {
    name = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("read", path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      defer { close(descriptor) }
      throw .system("read", path)
    }
    if status.st_mode & S_IFMT == S_IFREG {
      (place, count) = (.file(descriptor: descriptor), Int(status.st_size))
      return
    }
    defer { close(descriptor) }
    let all = try Self.readAll(descriptor, path)
    (place, count) = (.memory(all), all.count)
  }

  package init(_ bytes: [UInt8], name: String) {
    (self.name, place, count) = (name, .memory(bytes), bytes.count)
  }

  deinit {
    if case .file(let descriptor) = place { close(descriptor) }
  }

  private static func readAll(_ descriptor: Int32, _ path: String) throws(Fault) -> [UInt8] {
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system("read", path) }
      if count == 0 { return all }
      all += piece[..<count]
    }
  }

  /// Up to `size` bytes from `offset` on; fewer only where the file ends.
  package func read(at offset: Int, size: Int) throws(Fault) -> [UInt8] {
    switch place {
    case .memory(let bytes): return Array(bytes.dropFirst(offset).prefix(size))
    case .file(let descriptor):
      var bytes: [UInt8] = []
      let wanted = max(0, min(size, count - offset))
      while bytes.count < wanted {
        var piece = [UInt8](repeating: 0, count: wanted - bytes.count)
        let read = pread(descriptor, &piece, piece.count, off_t(offset + bytes.count))
        if read < 0, errno == EINTR { continue }
        guard read >= 0 else { throw .system("read", name) }
        if read == 0 { break }
        if read == wanted { return piece }
        bytes += piece[..<read]
      }
      return bytes
    }
  }
}
