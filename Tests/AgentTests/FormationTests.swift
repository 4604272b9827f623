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
}
