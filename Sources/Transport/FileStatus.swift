import CLinux

/// What is known of a file without reading it (stat(2)).
package struct FileStatus: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case file, folder, link, socket, other
  }
  package var kind: Kind
  /// Permissions and the three bits before them.
  package var mode: UInt32
  /// User id.
  package var owner: UInt32
  /// Bytes.
  package var size: Int64
  package var device: UInt64
  package var inode: UInt64
  /// Of the last change of its bytes, since 1970.
  package var seconds: Int64
  package var nanoseconds: Int64

  /// Of what bears that name; nil, with errno set, where it cannot be known.
  package init?(_ path: String, followingLinks follows: Bool = false) {
    var file = clinux_file()
    guard clinux_file_named(path, follows ? 1 : 0, &file) == 0 else { return nil }
    self.init(file)
  }

  /// Of an open file; nil, with errno set, where it cannot be known.
  package init?(descriptor: Int32) {
    var file = clinux_file()
    guard clinux_file_open(descriptor, &file) == 0 else { return nil }
    self.init(file)
  }

  private init(_ file: clinux_file) {
    kind =
      switch file.mode & 0o170000 {
      case 0o100000: .file
      case 0o040000: .folder
      case 0o120000: .link
      case 0o140000: .socket
      default: .other
      }
    mode = file.mode & 0o7777
    owner = file.owner
    size = file.size
    device = file.device
    inode = file.inode
    seconds = file.seconds
    nanoseconds = file.nanoseconds
  }
}
