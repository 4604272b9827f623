import Foundation
import Membership
import Testing

@testable import Agent

@Suite("What joiners are given")
struct JoinBundleTests {
  private func ground(_ files: [String: String]) throws -> Ground {
    let ground = try Ground()
    for (path, text) in files { try ground.write(text, "bundle/control-plane/" + path) }
    return ground
  }

  /// Why the bundle is refused; nil if it is not.
  private func refusal(
    _ ground: Ground, reading: (String) throws -> Void = { _ in }
  ) -> String? {
    do {
      _ = try JoinBundle(for: .controlPlane, ground.directory) { try? reading($0) }
      return nil
    } catch {
      return (error as? APIError)?.error ?? "\(error)"
    }
  }

  private func received(_ ground: Ground, _ path: String) throws -> String? {
    try ground.directory.read(ground.directory.received + "/" + path).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  @Test("Files come over as they were, in folders of their own, and replace those before")
  func roundTrip() throws {
    let ground = try ground(["pki/ca.crt": "certificate", "token": "secret\0\u{ff}"])
    defer { ground.end() }
    let bundle = try JoinBundle(for: .controlPlane, ground.directory)
    #expect(bundle.files.map(\.path) == ["pki/ca.crt", "token"])
    #expect(try JoinBundle(for: .worker, ground.directory).isEmpty)
    try ground.write("old", "received/pki/old")
    let arrived = try JoinBundle(bundle.encoded)
    #expect(arrived.digest == bundle.digest && bundle.digest != nil)
    for _ in 0..<2 {
      try arrived.store(ground.directory)
      #expect(try received(ground, "pki/ca.crt") == "certificate")
      #expect(try received(ground, "token") == "secret\0\u{ff}")
      #expect(try received(ground, "pki/old") == nil)
      #expect(!ground.directory.exists(ground.directory.received + ".new"))
    }
    for (path, mode) in [("", 0o700), ("/pki", 0o700), ("/token", 0o600)] {
      let attributes = try FileManager.default.attributesOfItem(
        atPath: ground.directory.received + path)
      #expect(attributes[.posixPermissions] as? Int == mode)
    }
    try JoinBundle([]).store(ground.directory)
    #expect(!ground.directory.exists(ground.directory.received))
  }

  @Test("Its digest depends on each name and content, and on where one ends")
  func digests() throws {
    func digest(_ files: [(String, String)]) throws -> Membership.Digest? {
      try JoinBundle(
        files.map { BundleFile(path: $0.0, content: Data($0.1.utf8).base64EncodedString()) }
      ).digest
    }
    let all = [
      try digest([("a", "b")]), try digest([("ab", "")]), try digest([("a", "c")]),
      try digest([("b", "b")]), try digest([("a", ""), ("b", "")]),
      try digest([("a", "b"), ("b", "")]),
    ]
    #expect(Set(all).count == all.count)
    #expect(try digest([("b", "1"), ("a", "2")]) == digest([("a", "2"), ("b", "1")]))
    #expect(try digest([]) == nil)
  }

  @Test("A bundle has a megabyte and not one byte more, in all")
  func limit() throws {
    let half = String(repeating: "x", count: JoinBundle.limit / 2)
    let ground = try ground(["a": half, "b": half])
    defer { ground.end() }
    #expect(refusal(ground) == nil)
    try ground.write("x", "bundle/control-plane/c")
    #expect(refusal(ground)?.contains("control-plane/c") == true)
    #expect(refusal(ground)?.contains("1024 KiB") == true)
  }

  @Test("Links are refused by name: of a file, of a folder, of the whole")
  func links() throws {
    let ground = try ground(["a": ""])
    defer { ground.end() }
    try ground.write("elsewhere", "secret")
    try ground.link("bundle/control-plane/ca.key", to: ground.directory.path + "/secret")
    #expect(refusal(ground)?.contains("ca.key") == true)
    #expect(refusal(ground)?.contains("symbolic link") == true)
    try FileManager.default.removeItem(
      atPath: ground.directory.bundle + "/control-plane/ca.key")
    try ground.link("bundle/control-plane/pki", to: ground.directory.path)
    #expect(refusal(ground)?.contains("pki, which joiners are to be given, is a symbolic") == true)
    try FileManager.default.removeItem(atPath: ground.directory.bundle + "/control-plane")
    try ground.link("bundle/control-plane", to: ground.directory.path)
    #expect(refusal(ground)?.contains("not a folder") == true)
  }

  @Test(
    "Files that their owner may not read, or that others may, are refused by name, also for root",
    arguments: [0o000, 0o200, 0o640, 0o604, 0o620])
  func modes(_ mode: Int) throws {
    let ground = try ground(["ca.key": ""])
    defer { ground.end() }
    try ground.chmod("bundle/control-plane/ca.key", mode)
    #expect(refusal(ground)?.contains("ca.key") == true)
  }

  @Test("What is no plain file is refused, and does not hang")
  func pipes() throws {
    let ground = try ground(["a": ""])
    defer { ground.end() }
    #expect(mkfifo(ground.directory.bundle + "/control-plane/pipe", 0o600) == 0)
    #expect(
      refusal(ground)?.contains("pipe, which joiners are to be given, is not a plain") == true)
  }

  enum Meanwhile: CaseIterable {
    case content, growth, replacement, another, gone
  }

  @Test("What changes while it is read is refused", arguments: Meanwhile.allCases)
  func changing(_ change: Meanwhile) throws {
    let ground = try ground(["a": "one", "b": "two"])
    defer { ground.end() }
    let path = ground.directory.bundle + "/control-plane/"
    let refusal = refusal(ground) { file in
      guard file == "b" else { return }
      switch change {
      case .content:
        let handle = try #require(FileHandle(forWritingAtPath: path + "a"))
        try handle.write(contentsOf: Data("ONE and more".utf8))
        try ground.write("", "bundle/control-plane/c")
      case .growth: try ground.write("", "bundle/control-plane/d/e")
      case .replacement:
        try FileManager.default.removeItem(atPath: path + "b")
        try ground.link("bundle/control-plane/b", to: path + "a")
      case .another: try ground.write("", "bundle/control-plane/aa")
      case .gone: try FileManager.default.removeItem(atPath: path + "b")
      }
    }
    #expect(refusal != nil)
  }

  @Test(
    "No path that is sent leads out of the folder",
    arguments: [
      "../a", "a/../../b", "/etc/passwd", "", "a//b", "./a", "a/.", "a\0b", "a\nb",
      "1/2/3/4/5/6/7/8/9", String(repeating: "x", count: 513),
    ])
  func traversal(_ path: String) {
    #expect(throws: Failure.self) { try JoinBundle([BundleFile(path: path, content: "")]) }
  }

  @Test("Nor is more taken than would have been given")
  func tooMuch() {
    let big = Data(count: JoinBundle.limit + 1).base64EncodedString()
    #expect(throws: Failure.self) { try JoinBundle([BundleFile(path: "a", content: big)]) }
    #expect(throws: Failure.self) {
      try JoinBundle((0...JoinBundle.mostFiles).map { BundleFile(path: "\($0)", content: "") })
    }
    for files in [["a", "a"], ["a", "a/b"]] {
      #expect(throws: Failure.self) {
        try JoinBundle(files.map { BundleFile(path: $0, content: "") })
      }
    }
    #expect(throws: Failure.self) { try JoinBundle([BundleFile(path: "a", content: "?")]) }
  }
}
