import EventLog
import Foundation
import Raft
import Synchronization
import Testing

/// The disk fails, or the process dies.
@Suite struct FaultTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("A full map refuses all that follows until resume, keeps what it had, then goes on")
  func mapFull() async throws {
    let log = try newLog(directory, mapSize: 1 << 20)
    _ = await log.write(entries(1...10), hardState: HardState(term: 1, vote: 1, commit: 5))
    let before = log.tip
    let fault = await log.write(entries(11...200, size: 8192)).fault
    #expect(fault?.kind == .diskFull)
    #expect(await log.write(entries(11...11)).fault?.kind == .diskFull)
    #expect(await log.write(entries(12...12)).fault?.kind == .diskFull)
    #expect(log.tip == before)
    #expect(log.failure == nil)
    #expect(try log.allEntries() == entries(1...10))
    #expect(!FileManager.default.fileExists(atPath: directory.log + "/ballast"))
    log.resume()
    #expect(await log.write(entries(11...12, term: 2)).fault == nil)
    #expect(log.lastIndex == 12)
    #expect(try log.verify().damage == nil)
    log.close()
    let again = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(again.lastIndex == 12)
  }

  /// Whether this machine lets a test mount a small file system.
  private static func mountTmpfs(_ path: String, _ size: String) -> Bool {
    mount("tmpfs", path, "tmpfs", 0, "size=\(size)") == 0
  }

  @Test("A full disk refuses writes and serves reads; with room again the same log goes on")
  func diskFull() async throws {
    let disk = directory.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    guard Self.mountTmpfs(disk, "24m") else {
      try Test.cancel("no permission to mount a tmpfs here")
    }
    defer { umount2(disk, Int32(MNT_DETACH)) }
    try EventLog.create(directory: disk + "/log", identity: identity)
    var log = try EventLog.open(directory: disk + "/log", mode: .readWrite)
    _ = await log.write(entries(1...100))
    let filler = disk + "/filler"
    #expect(FileManager.default.createFile(atPath: filler, contents: nil))
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: filler))
    while (try? file.write(contentsOf: Data(count: 4096))) != nil {}
    var fault: Fault?
    while fault == nil {
      let next = log.lastIndex + 1
      fault = await log.write(entries(next...next + 9, size: 60000)).fault
    }
    #expect(fault?.kind == .diskFull)
    #expect(fault?.exitCode == 1)
    let last = log.lastIndex
    #expect(try log.verify().damage == nil)
    try file.truncate(atOffset: 0)
    log.resume()
    #expect(await log.write(entries(last + 1...last + 10, size: 60000)).fault == nil)
    #expect(log.failure == nil)
    log.close()
    // Opening on a full disk is an answer too, not a signal.
    while (try? file.write(contentsOf: Data(count: 4096))) != nil {}
    for name in ["ballast", "lock.mdb"] {
      try? FileManager.default.removeItem(atPath: "\(disk)/log/\(name)")
    }
    while (try? file.write(contentsOf: Data(count: 4096))) != nil {}
    let error = #expect(throws: Fault.self) {
      _ = try EventLog.open(directory: disk + "/log", mode: .readWrite)
    }
    #expect(error?.kind == .diskFull)
    try file.truncate(atOffset: 0)
    log = try EventLog.open(directory: disk + "/log", mode: .readWrite)
    #expect(log.lastIndex == last + 10)
    #expect(try log.verify().damage == nil)
    log.close()
  }

  @Test("On a disk that is mounted read-only a log is read, and not opened to write")
  func readOnlyMount() async throws {
    let disk = directory.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    guard Self.mountTmpfs(disk, "24m") else {
      try Test.cancel("no permission to mount a tmpfs here")
    }
    defer { umount2(disk, Int32(MNT_DETACH)) }
    try EventLog.create(directory: disk + "/log", identity: identity)
    do {
      let log = try EventLog.open(directory: disk + "/log", mode: .readWrite)
      _ = await log.write(entries(1...100))
      log.close()
    }
    // A program that another test has just started may still hold the log's files for a moment.
    while mount("tmpfs", disk, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) != 0 {
      try #require(errno == EBUSY)
      try await Task.sleep(for: .milliseconds(10))
    }
    let log = try EventLog.open(directory: disk + "/log", mode: .readOnly)
    #expect(try log.verify().lastIndex == 100)
    log.close()
    let error = #expect(throws: Fault.self) {
      _ = try EventLog.open(directory: disk + "/log", mode: .readWrite)
    }
    #expect(error?.kind == .permission)
  }

  @Test("A commit that fails for another reason is the last: nothing is acknowledged after it")
  func syncFailed() async throws {
    let log = try newLog(directory)
    _ = await log.write(entries(1...10))
    // Under the log's feet the file becomes one that looks the same and cannot be written.
    let data = directory.log + "/data.mdb"
    let other = directory.path + "/other"
    try FileManager.default.copyItem(atPath: data, toPath: other)
    let readOnly = open(other, O_RDONLY)
    defer { close(readOnly) }
    let descriptors = try openDescriptors(of: data)
    #expect(descriptors.count == 2)
    for descriptor in descriptors { dup2(readOnly, descriptor) }
    let fault = await log.write(entries(11...11)).fault
    #expect(fault?.kind == .syncFailed)
    #expect(await log.write(entries(11...11)).fault == fault)
    log.resume()
    #expect(await log.write(entries(11...11)).fault == fault)
    #expect(log.failure == fault)
    #expect(log.lastIndex == 10)
  }

  private func openDescriptors(of path: String) throws -> [Int32] {
    var wanted = stat()
    try #require(stat(path, &wanted) == 0)
    return try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
      .compactMap { Int32($0) }
      .filter { descriptor in
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_ino == wanted.st_ino
          && status.st_dev == wanted.st_dev
      }
  }

  /// A child writes and tells by a file what was acknowledged, and kills itself under way.
  @Test(
    "After kill -9 every acknowledged entry is there, and the chain is whole",
    arguments: [3, 40, 333] as [UInt32])
  func killed(milliseconds: UInt32) async throws {
    try EventLog.create(directory: directory.log, identity: identity)
    let acknowledged = directory.path + "/acknowledged"
    for round in 0..<3 as Range<UInt32> {
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [
          path = directory.log as String, report = acknowledged as String,
          delay = (milliseconds * 1000 + round * 777) as UInt32
        ] in
        let log = try EventLog.open(directory: path, mode: .readWrite)
        let file = open(report, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        Thread.detachNewThread {
          usleep(delay)
          kill(getpid(), SIGKILL)
        }
        var next = log.lastIndex + 1
        while true {
          let size = Index(1 + next % 17)
          let last = next + size - 1
          log.submit(
            LogWrite(entries: entries(next...last, term: log.bootNumber)) { result in
              if case .success = result {
                withUnsafeBytes(of: last) { _ = write(file, $0.baseAddress, 8) }
              }
            })
          next = last + 1
        }
      }
      let log = try EventLog.open(directory: directory.log, mode: .readOnly)
      let reports = (try? Data(contentsOf: URL(fileURLWithPath: acknowledged))) ?? Data()
      let newest =
        reports.count < 8
        ? 0
        : reports.suffix(8).withUnsafeBytes { $0.loadUnaligned(as: Index.self) }
      #expect(log.lastIndex >= newest)
      let found = try log.verify()
      #expect(found.damage == nil)
      #expect(found.lastIndex == log.lastIndex)
      log.close()
    }
  }

  @Test("Another process reads the log while it is written, and verifies it")
  func secondProcess() async throws {
    let log = try newLog(directory)
    _ = await log.write(entries(1...50), hardState: HardState(term: 1, vote: 1, commit: 50))
    let isDone = Mutex(false)
    async let writing: Void = {
      var next: Index = 51
      while !isDone.withLock({ $0 }) {
        _ = await log.write(
          entries(next...next + 4), hardState: HardState(term: 1, vote: 1, commit: next))
        next += 5
      }
    }()
    await #expect(processExitsWith: .success) { [path = directory.log as String] in
      let reader = try EventLog.open(directory: path, mode: .readOnly)
      var last: Index = 0
      // It sees the log grow, and what it sees is whole.
      while last < 100 {
        let found = try reader.verify()
        precondition(found.damage == nil, "\(found)")
        precondition(found.lastIndex >= last && reader.lastIndex >= found.lastIndex)
        last = found.lastIndex
      }
      let indices = try reader.allEntries().map(\.index)
      precondition(indices.starts(with: 1...100))
    }
    isDone.withLock { $0 = true }
    await writing
    #expect(log.failure == nil)
  }

  @Test("Every kind of fault names what was done, to what, and what to do next")
  func messages() {
    let fault = Fault(
      .diskFull, operation: "write to", subject: "/data/log", code: 28, text: "no space")
    #expect(
      fault.description
        == "cannot write to /data/log: no space (28). Nothing was written and reads still work: "
        + "free some space there, then writing goes on.")
    let codes = [Fault.Kind.diskFull, .syncFailed, .damaged, .foreign, .permission, .inUse, .other]
      .map { Fault($0, operation: "", subject: "", text: "").exitCode }
    #expect(codes == [1, 1, 65, 65, 1, 1, 1])
  }
}
