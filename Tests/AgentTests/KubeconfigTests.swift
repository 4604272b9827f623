import Foundation
import Membership
import NIOSSL
import Testing
import Transport

@testable import Agent

@Suite struct KubeconfigTests {
  private func folder() throws -> String {
    let path = NSTemporaryDirectory() + "muster-kubeconfig-\(UUID())"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func read(_ text: String, in folder: String) throws -> Kubeconfig {
    try text.write(toFile: folder + "/config", atomically: true, encoding: .utf8)
    return try Kubeconfig.read(folder + "/config")
  }

  private func config(cluster: String = "{}", user: String) -> String {
    """
    apiVersion: v1
    current-context: here
    contexts:
    - {name: other, context: {cluster: none, user: none}}
    - {name: here, context: {cluster: c, user: u}}
    clusters:
    - {name: c, cluster: \(cluster)}
    users:
    - {name: none, user: {token: wrong}}
    - {name: u, user: \(user)}
    """
  }

  @Test("authority and key are taken from the text or from files beside it")
  func material() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let authority = try KubernetesAuthority.generate()
    let identity = try NodeIdentity.loadOrCreate(in: folder + "/identity")
    let data = Data(authority.certificatePEM.utf8).base64EncodedString()
    let given = try read(
      config(
        cluster: "{certificate-authority-data: \(data), server: \"https://127.0.0.1:16443\"}",
        user: "{client-certificate: identity/node.crt, client-key: identity/node.key}"),
      in: folder)
    #expect(given.authorities?.count == 1 && given.verifies)
    #expect(
      try given.credentials.certificates.map { try $0.toDERBytes() } == [identity.certificateDER])
    #expect(given.credentials.key != nil && given.credentials.token == nil)
    let token = try read(
      config(cluster: "{insecure-skip-tls-verify: true}", user: "{token: t}"), in: folder)
    #expect(token.credentials.token == "t" && token.credentials.key == nil && !token.verifies)
  }

  @Test(
    "what cannot be used is named with the file",
    arguments: [
      "", "a: [", "current-context: x", "current-context: here\ncontexts: [{name: here}]",
      "users: {a: b}",
    ])
  func wrong(text: String) throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let failure = #expect(throws: Failure.self) { try read(text, in: folder) }
    #expect(failure?.message.contains(folder + "/config") == true && failure?.exitCode == 65)
    let missing = #expect(throws: Failure.self) {
      try read(config(user: "{client-certificate: nowhere.crt}"), in: folder)
    }
    #expect(missing?.message.contains("nowhere.crt is not there") == true)
  }

  @Test("Endpoints and EndpointSlices name each server once, at the port named https")
  func addresses() throws {
    let endpoints = """
      {"kind": "Endpoints", "subsets": [
        {"addresses": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}, {"ip": "fd00::1"}, {"ip": "x y"}],
         "ports": [{"name": "other", "port": 1}, {"name": "https", "port": 6443}]},
        {"addresses": [{"ip": "10.0.0.3"}, {"ip": "10.0.0.1"}], "ports": null},
        {"notReadyAddresses": [{"ip": "10.0.0.9"}]}]}
      """
    #expect(
      try KubernetesEndpoints.addresses(inEndpoints: Array(endpoints.utf8)).map(\.description)
        == ["10.0.0.1:6443", "10.0.0.1:16443", "10.0.0.2:6443", "10.0.0.3:16443", "[fd00::1]:6443"])
    let slices = """
      {"items": [
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]},
          {"addresses": ["10.0.0.2"], "conditions": {"ready": true}}],
         "ports": [{"name": "https", "port": 16443}]},
        {"addressType": "IPv4", "endpoints": null, "ports": [{"port": 99999}]}]}
      """
    #expect(
      try KubernetesEndpoints.addresses(inSlices: Array(slices.utf8)).map(\.description)
        == ["10.0.0.1:16443", "10.0.0.2:16443"])
    #expect(try KubernetesEndpoints.addresses(inEndpoints: Array("{}".utf8)).isEmpty)
  }
}
