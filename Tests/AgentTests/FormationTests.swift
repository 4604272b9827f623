import Foundation
import Testing

@testable import Agent

@Suite("A data dir that was left in the middle of a change")
struct FormationTests {
  private func folder() throws -> DataDirectory {
    let path = NSTemporaryDirectory() + "muster-formation-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    return DataDirectory(path)
  }

  private func write(_ text: String, _ path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
  }

  @Test("A complete new identity takes the old one's place, whatever is left of that")
  func completeIdentity() throws {
    let directory = try folder()
    defer { try? FileManager.default.removeItem(atPath: directory.path) }
    let file = NodeFile(
      cluster: "1", node: "00000000000000aa", name: "n1", role: .worker, address: "127.0.0.1",
      clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443)
    try write("old", directory.nodeFile)
    try write("old", directory.identity + "/node.crt")
    try file.save(directory, into: directory.newIdentity)
    try write("new", directory.newIdentity + "/node.key")
    try Formation.recover(directory)
    #expect(try NodeFile.load(directory) == file)
    #expect(try directory.read(directory.identity + "/node.key") == Array("new".utf8))
    #expect(!directory.exists(directory.newIdentity))
  }

  /// How far it had come: every step of putting a new cluster in the place of an old one.
  enum Step: Int, CaseIterable {
    case named, archived, unnamed, removed, moved
  }

  @Test(
    "A new cluster that is named takes the old one's place, wherever that stopped",
    arguments: Step.allCases)
  func newCluster(_ step: Step) throws {
    let directory = try folder()
    defer { try? FileManager.default.removeItem(atPath: directory.path) }
    var file = NodeFile(
      cluster: "000000000000000a", node: "00000000000000aa", name: "n1", role: .controlPlane,
      address: "127.0.0.1", clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443)
    let archived = directory.archive + "/log-000000000000000a/data.mdb"
    try write("old", step == .named ? directory.log + "/data.mdb" : archived)
    if step.rawValue < Step.unnamed.rawValue { try file.save(directory) }
    if step.rawValue < Step.removed.rawValue {
      try write("old", directory.identity + "/node.key")
      try write("half", directory.identity + "/.node.key.7.tmp")
    }
    file.cluster = "000000000000000b"
    let identity = step == .moved ? directory.identity : directory.newIdentity
    try file.save(directory, into: identity)
    try write("new", identity + "/node.key")
    try write("new", directory.newLog + "/data.mdb")
    for _ in 0..<2 {
      try Formation.recover(directory)
      #expect(try NodeFile.load(directory) == file)
      #expect(try directory.read(directory.log + "/data.mdb") == Array("new".utf8))
      #expect(try directory.read(directory.identity + "/node.key") == Array("new".utf8))
      #expect(try directory.read(archived) == Array("old".utf8))
      #expect(!directory.exists(directory.newLog) && !directory.exists(directory.newIdentity))
    }
  }

  @Test(
    "A new log whose cluster was not named yet is gone at the next start, and the old one stays")
  func unnamedLog() throws {
    let directory = try folder()
    defer { try? FileManager.default.removeItem(atPath: directory.path) }
    let file = NodeFile(
      cluster: "a", node: "00000000000000aa", name: "n1", role: .controlPlane,
      address: "127.0.0.1", clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443)
    try file.save(directory)
    try write("old", directory.log + "/data.mdb")
    try write("new", directory.newLog + "/data.mdb")
    try write("new", directory.newIdentity + "/node.key")
    try Formation.recover(directory)
    #expect(try NodeFile.load(directory) == file)
    #expect(try directory.read(directory.log + "/data.mdb") == Array("old".utf8))
    #expect(!directory.exists(directory.newLog))
  }

  @Test("A new identity that is not complete changes nothing")
  func incompleteIdentity() throws {
    let directory = try folder()
    defer { try? FileManager.default.removeItem(atPath: directory.path) }
    let file = NodeFile(
      cluster: "1", node: "00000000000000aa", name: "n1", role: .worker, address: "127.0.0.1",
      clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443)
    try file.save(directory)
    try write("new", directory.newIdentity + "/node.key")
    try Formation.recover(directory)
    #expect(try NodeFile.load(directory) == file)
    #expect(directory.exists(directory.newIdentity + "/node.key"))
  }

  @Test(
    "A node that was demoted has its log in the archive and no key that signs", arguments: 0...2)
  func demoted(_ step: Int) throws {
    let directory = try folder()
    defer { try? FileManager.default.removeItem(atPath: directory.path) }
    let file = NodeFile(
      cluster: "a", node: "00000000000000aa", name: "n1", role: .worker, address: "127.0.0.1",
      clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443, roleIndex: 7)
    try file.save(directory)
    let archived = directory.archive + "/log-a/data.mdb"
    try write("old", step == 0 ? directory.log + "/data.mdb" : archived)
    try write("ca", directory.kubernetes + "/ca.crt")
    if step < 2 { try write("key", directory.kubernetes + "/ca.key") }
    try Formation.recover(directory)
    #expect(try directory.read(archived) == Array("old".utf8))
    #expect(!directory.exists(directory.log) && !directory.exists(directory.archive + "/log-a-2"))
    #expect(!directory.exists(directory.kubernetes + "/ca.key"))
    #expect(directory.exists(directory.kubernetes + "/ca.crt"))
    #expect(try NodeFile.load(directory)?.roleIndex == 7)
  }

  @Test("A node that was promoted begins its log anew, and its list of servers is gone")
  func promoted() throws {
    let directory = try folder()
    defer { try? FileManager.default.removeItem(atPath: directory.path) }
    let file = NodeFile(
      cluster: "a", node: "00000000000000aa", name: "n1", role: .controlPlane,
      address: "127.0.0.1", clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443)
    try file.save(directory)
    try write("new", directory.newLog + "/data.mdb")
    try write("{}", directory.workerState)
    try Formation.recover(directory)
    #expect(try directory.read(directory.log + "/data.mdb") == Array("new".utf8))
    #expect(!directory.exists(directory.workerState) && !directory.exists(directory.newLog))
  }
}
