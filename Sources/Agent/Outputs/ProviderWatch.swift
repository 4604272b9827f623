// An operator's provider.yaml is obeyed when it is edited, in place or by rename. Looking at the
// name twice a second needs no watch that could be lost with an inode, and a change is read only
// when it has rested for one look: an editor's empty or half-written file is not seen.

import Logging
import Membership
import Transport

/// Follows one provider.yaml.
struct ProviderWatch {
  /// Between two looks.
  static let pause = Duration.milliseconds(400)

  private let file: String
  private let logger: Logger
  /// As it was when it was last looked at, and when it was last read.
  private var seen: FileStatus?
  private var read: FileStatus?
  private var complaint: String?

  init(_ file: String, logger: Logger) {
    self.file = file
    self.logger = logger
  }

  /// One look.
  /// - Returns: the servers, if the file is another than when it was last read, rests, and is good;
  ///   of one that is not good the log tells once, and what was known stays.
  mutating func look() -> [Address]? {
    let mark = FileStatus(file, followingLinks: true)
    defer { seen = mark }
    guard mark == seen else { return nil }
    guard let mark else {
      complain("\(file): it is not there; the servers known so far are used")
      return nil
    }
    guard mark != read else { return nil }
    return take(mark)
  }

  /// Reads it now, whether or not it rests.
  /// - Throws: `Failure` naming file and line.
  mutating func begin() throws -> [Address] {
    seen = FileStatus(file, followingLinks: true)
    read = seen
    return try Self.addresses(file)
  }

  private mutating func take(_ mark: FileStatus) -> [Address]? {
    read = mark
    do {
      let addresses = try Self.addresses(file)
      complaint = nil
      logger.info("\(addresses.count) API servers from \(file)")
      return addresses
    } catch {
      complain("\(error); the servers known so far are used")
      return nil
    }
  }

  private mutating func complain(_ text: String) {
    if complaint != text { logger.warning("\(text)") }
    complaint = text
  }

  private static func addresses(_ file: String) throws -> [Address] {
    guard let bytes = try ProviderStore.read(file) else {
      throw Failure("\(file): it is not there", exitCode: 65)
    }
    return try ProviderReader.addresses(bytes, file: file)
  }
}
