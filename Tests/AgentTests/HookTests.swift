import Foundation
import Membership
import Synchronization
import Testing

@testable import Agent

/// A data dir in a folder of its own, and what tests put there.
struct Ground {
  let directory: DataDirectory
  private let files = FileManager.default

  init() throws {
    directory = DataDirectory(NSTemporaryDirectory() + "muster-hooks-\(UUID().uuidString)")
    try files.createDirectory(
      atPath: directory.path, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
  }

  func end() { try? files.removeItem(atPath: directory.path) }

  func folder(_ path: String, mode: Int = 0o700) throws {
    try files.createDirectory(
      atPath: directory.path + "/" + path, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    try chmod(path, mode)
  }

  func write(_ text: String, _ path: String, mode: Int = 0o600) throws {
    try folder((path as NSString).deletingLastPathComponent)
    try text.write(toFile: directory.path + "/" + path, atomically: true, encoding: .utf8)
    try chmod(path, mode)
  }

  func chmod(_ path: String, _ mode: Int) throws {
    try files.setAttributes([.posixPermissions: mode], ofItemAtPath: directory.path + "/" + path)
  }

  func hook(_ name: String, _ text: String, mode: Int = 0o700) throws {
    try write("#!/bin/sh\n" + text + "\n", "hooks.d/" + name, mode: mode)
  }

  func link(_ path: String, to target: String) throws {
    try files.createSymbolicLink(
      atPath: directory.path + "/" + path, withDestinationPath: target)
  }

  /// Runs a shell script as a hook.
  func run(
    _ text: String, input: String = "", limit: UInt64 = 120_000_000_000,
    began: @escaping @Sendable (Int32) -> Void = { _ in },
    mustStop: @escaping @Sendable () -> Bool = { false }
  ) async throws -> HookProcess.Outcome {
    try hook("run", text)
    return await HookProcess(
      program: directory.hooks + "/run", environment: ["PATH=/usr/bin:/bin", "MUSTER_HOOK=joined"],
      input: Array(input.utf8), limit: limit
    ).run(began: began, mustStop: mustStop)
  }
}

@Suite("A hook's process")
struct HookProcessTests {
  private func text(_ outcome: HookProcess.Outcome) -> String {
    String(decoding: outcome.output, as: UTF8.self)
  }

  @Test("It reads its input, has its environment, and tells its exit code and both its outputs")
  func plain() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let outcome = try await ground.run(
      "cat; echo $MUSTER_HOOK; pwd; echo wrong >&2; exit 7", input: "{\"a\":1}\n")
    #expect(outcome.end == .exit(7))
    #expect(text(outcome) == "{\"a\":1}\njoined\n/\nwrong\n")
  }

  @Test("It need not read its input, however much that is, and may end by a signal")
  func unread() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let outcome = try await ground.run("kill -9 $$", input: String(repeating: "x", count: 4 << 20))
    #expect(outcome.end == .signal(9))
  }

  @Test("It has no descriptor of the agent's, and no signal is blocked or ignored")
  func clean() async throws {
    let ground = try Ground()
    defer { ground.end() }
    signal(SIGPIPE, SIG_IGN)
    let outcome = try await ground.run(
      "ls /proc/self/fd | tr '\\n' ' '; grep -E 'SigBlk|SigIgn' /proc/self/status")
    // The fourth is that of the listing itself.
    #expect(text(outcome).hasPrefix("0 1 2 3 "), "\(text(outcome))")
    let masks = text(outcome).split(separator: "\n").compactMap { $0.split(separator: "\t").last }
    // 32 and 33 belong to the C library, which sets them so.
    let signals = masks.suffix(2).compactMap { UInt64($0, radix: 16) }.map { $0 & 0x7fff_ffff }
    #expect(signals == [0, 0], "\(masks)")
  }

  @Test("One that takes too long is ended with all that it began, though it ignores SIGTERM")
  func timeout() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let outcome = try await ground.run(
      "trap '' TERM; sleep 600 & echo $!; wait; sleep 600", limit: 3_000_000_000)
    #expect(outcome.end == .timedOut)
    let child = try #require(Int32(text(outcome).split(separator: "\n").first ?? ""))
    try await eventually { kill(child, 0) != 0 || isZombie(child) }
  }

  private func isZombie(_ pid: Int32) -> Bool {
    (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8))?.contains(") Z ") ?? true
  }

  private func eventually(_ isTrue: () -> Bool) async throws {
    for _ in 0..<1000 {
      if isTrue() { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("it did not come true")
  }

  @Test("A child in the background that keeps the output open is not waited for, and lives")
  func background() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let outcome = try await ground.run("sleep 600 & echo $!")
    #expect(outcome.end == .exit(0))
    let child = try #require(Int32(text(outcome).split(separator: "\n").first ?? ""))
    #expect(kill(child, SIGKILL) == 0)
  }

  @Test("Of megabytes of output the last 64 KiB are kept")
  func megabytes() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let outcome = try await ground.run(
      "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last words")
    #expect(outcome.end == .exit(0))
    #expect(outcome.output.count == HookProcess.tail)
    #expect(text(outcome).hasSuffix("x\nlast words\n"))
    #expect(HookRunner.last(of: outcome.output).last == "last words")
    #expect(HookRunner.last(of: outcome.output).allSatisfy { $0.count <= 400 })
  }

  @Test("One that prints without end is ended in time all the same")
  func endless() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let outcome = try await ground.run("exec yes", limit: 2_000_000_000)
    #expect(outcome.end == .timedOut)
    #expect(outcome.output.count == HookProcess.tail)
  }

  @Test("An agent that stops ends it; what is gone, or no program, is told apart")
  func otherEnds() async throws {
    let ground = try Ground()
    defer { ground.end() }
    #expect(try await ground.run("sleep 600", mustStop: { true }).end == .stopped)
    try ground.write("no first line", "hooks.d/text", mode: 0o700)
    func end(_ name: String) async -> HookProcess.End {
      await HookProcess(
        program: ground.directory.hooks + "/" + name, environment: [], input: [], limit: 1 << 40
      ).run(began: { _ in }, mustStop: { false }).end
    }
    #expect(await end("nothing") == .vanished)
    guard case .unstarted(let why) = await end("text") else {
      Issue.record("a text was run")
      return
    }
    #expect(why.contains("#!"))
  }

  @Test("What a killed agent left running is known by its start, and ended with its group")
  func orphan() async throws {
    let ground = try Ground()
    defer { ground.end() }
    let child = Mutex<HookChild?>(nil)
    async let outcome = ground.run(
      "sleep 600", limit: 1 << 40, began: { pid in child.withLock { $0 = HookChild(pid) } })
    try await eventually { child.withLock { $0 } != nil }
    var other = try #require(child.withLock { $0 })
    let own = other
    other.start += 1
    await other.end()
    #expect(kill(own.pid, 0) == 0, "another process of that number was ended")
    await own.end()
    #expect(try await outcome.end == .signal(15))
  }

  @Test("Lines for the log hold no control characters")
  func lines() {
    #expect(HookRunner.last(of: Array("a\u{1b}[1mb\rc\n\nd".utf8)) == ["a [1mb c", "d"])
  }
}

@Suite("The folder of hooks")
struct HookFolderTests {
  @Test("Programs run in the order of their names; what is switched off or hidden does not")
  func order() throws {
    let ground = try Ground()
    defer { ground.end() }
    for name in ["9-z", "10-b", "B", "a.sh", ".hidden", "copy~"] { try ground.hook(name, "") }
    try ground.hook("README", "", mode: 0o600)
    try ground.folder("hooks.d/folder")
    try ground.write("#!/bin/sh\n", "elsewhere", mode: 0o700)
    try ground.link("hooks.d/5-link", to: ground.directory.path + "/elsewhere")
    try ground.link("hooks.d/6-nowhere", to: "/nowhere")
    let folder = HookFolder(ground.directory)
    #expect(folder.refusal == nil)
    #expect(folder.programs.map(\.name) == ["10-b", "5-link", "9-z", "B", "a.sh"])
    #expect(folder.programs.allSatisfy { $0.refusal == nil })
    #expect(folder.idle == ["README"])
  }

  @Test("What others may write is refused by name: a program, what a link leads to, the folder")
  func writable() throws {
    let ground = try Ground()
    defer { ground.end() }
    try ground.hook("1-group", "", mode: 0o770)
    try ground.hook("2-all", "", mode: 0o702)
    try ground.write("#!/bin/sh\n", "elsewhere", mode: 0o722)
    try ground.link("hooks.d/3-link", to: ground.directory.path + "/elsewhere")
    try ground.hook("4-good", "", mode: 0o755)
    let programs = HookFolder(ground.directory).programs
    #expect(programs.map { $0.refusal != nil } == [true, true, true, false])
    #expect(programs[0].refusal?.contains("chmod go-w \(ground.directory.hooks)/1-group") == true)
    try ground.chmod("hooks.d", 0o770)
    let open = HookFolder(ground.directory)
    #expect(open.programs.isEmpty && open.refusal?.contains("chmod go-w") == true)
  }

  @Test("Somebody else's program is refused", .enabled(if: getuid() == 0))
  func foreign() throws {
    let ground = try Ground()
    defer { ground.end() }
    try ground.hook("1-theirs", "")
    chown(ground.directory.hooks + "/1-theirs", 65534, 65534)
    let programs = HookFolder(ground.directory).programs
    #expect(programs[0].refusal?.contains("belongs to uid 65534") == true)
  }

  @Test("A link in the place of the folder is refused, none is none")
  func links() throws {
    let ground = try Ground()
    defer { ground.end() }
    #expect(HookFolder(ground.directory).programs.isEmpty)
    #expect(HookFolder(ground.directory).refusal == nil)
    try ground.folder("other")
    try ground.link("hooks.d", to: ground.directory.path + "/other")
    #expect(HookFolder(ground.directory).refusal?.contains("not a folder") == true)
  }
}

@Suite("How far hooks have come")
struct HookLedgerTests {
  private func occasion(_ hook: HookName, _ cluster: String, _ index: UInt64?) -> HookOccasion {
    HookOccasion(
      hook: hook, index: index, cluster: cluster, about: ["n1"], isAboutSelf: true, input: "{}\n")
  }

  @Test("It is the same after it was written, and where it is damaged, that is told")
  func kept() throws {
    let ground = try Ground()
    defer { ground.end() }
    try ground.folder("hooks.d")
    var ledger = HookLedger(cluster: "a", handled: 7)
    ledger.add(occasion(.left, "b", 5))
    ledger.child = HookChild(getpid())
    try ledger.save(ground.directory)
    #expect(try HookLedger.load(ground.directory) == ledger)
    try ground.write("{", "hooks.json")
    #expect(throws: Failure.self) { try HookLedger.load(ground.directory) }
  }

  @Test("A new cluster begins where it is entered, once; what this node went through is kept")
  func entered() throws {
    let ground = try Ground()
    defer { ground.end() }
    // Without hooks nothing is kept.
    try HookLedger.enter("a", after: 0, ground.directory)
    #expect(try HookLedger.load(ground.directory) == nil)
    try ground.folder("hooks.d")
    try HookLedger.enter("a", after: 0, ground.directory)
    var ledger = try #require(try HookLedger.load(ground.directory))
    ledger.handled = 9
    ledger.add(occasion(.left, "a", 9))
    ledger.add(occasion(.left, "a", 9))
    ledger.add(occasion(.quorumLost, "a", 9))
    ledger.done = ["left@a/9 10-a", "joined@a/9 10-a"]
    try ledger.save(ground.directory)
    for _ in 0..<2 {
      try HookLedger.enter("b", after: 4, adding: occasion(.joined, "b", 5), ground.directory)
      let next = try #require(try HookLedger.load(ground.directory))
      #expect(next.handled == 4 && next.cluster == "b")
      #expect(next.beside.map(\.hook) == [.left, .joined])
      #expect(next.done == ["left@a/9 10-a"])
    }
  }

  @Test("What was seen of the quorum counts only as it was last seen")
  func quorum() {
    var ledger = HookLedger(cluster: "a", handled: 1)
    ledger.add(occasion(.quorumLost, "a", 3))
    ledger.done = ["quorum-lost@a/3 10-a", "joined@a/2 10-a"]
    ledger.add(occasion(.quorumBack, "a", 3))
    #expect(ledger.beside.map(\.hook) == [.quorumBack])
    #expect(ledger.done == ["joined@a/2 10-a"])
  }

  @Test("Attempts come later and later, and never more than five minutes apart")
  func pauses() {
    #expect([1, 2, 3, 4].map { HookFailure.pause(after: $0) } == [1, 2, 4, 8])
    #expect(HookFailure.pause(after: 100) == 300)
    #expect(HookFailure.pause(after: 0) == 1)
  }
}
