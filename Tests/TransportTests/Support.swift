import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing
import Transport

/// The event loops that all tests share.
let loops = MultiThreadedEventLoopGroup.singleton

/// A directory that lives as long as the value.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/muster-transport-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  func mode(_ name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: file(name))
    return try #require(attributes[.posixPermissions] as? Int)
  }
}

/// Facts that arrive from other threads, and waiting for them.
final class Recorder<Fact: Sendable>: Sendable {
  private struct Waiter {
    let holds: @Sendable ([Fact]) -> Bool
    let resume: CheckedContinuation<[Fact], Never>
  }
  private struct State {
    var facts: [Fact] = []
    var waiters: [Int: Waiter] = [:]
    var nextWaiter = 0
  }
  private let state = Mutex(State())

  func record(_ fact: Fact) {
    let (facts, ready) = state.withLock { state in
      state.facts.append(fact)
      let facts = state.facts
      let ready = state.waiters.filter { $0.value.holds(facts) }
      for key in ready.keys { state.waiters[key] = nil }
      return (facts, ready)
    }
    for waiter in ready.values { waiter.resume.resume(returning: facts) }
  }

  var facts: [Fact] { state.withLock { $0.facts } }

  /// Waits until `holds` is true of everything recorded; a test that ran out of time gets what
  /// there is.
  @discardableResult
  func wait(_ holds: @escaping @Sendable ([Fact]) -> Bool) async -> [Fact] {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let now = state.withLock { state -> [Fact]? in
          if holds(state.facts) || Task.isCancelled { return state.facts }
          state.waiters[id] = Waiter(holds: holds, resume: continuation)
          return nil
        }
        if let now { continuation.resume(returning: now) }
      }
    } onCancel: {
      let waiter = state.withLock { ($0.waiters.removeValue(forKey: id), $0.facts) }
      waiter.0?.resume.resume(returning: waiter.1)
    }
  }

  /// Waits for a fact that `pick` recognises, and returns what it made of it.
  func first<Value: Sendable>(_ pick: @escaping @Sendable (Fact) -> Value?) async throws -> Value {
    let facts = await wait { $0.contains { pick($0) != nil } }
    return try #require(facts.lazy.compactMap(pick).first)
  }
}

/// Everything that a channel received, and how it ended.
enum Received: Sendable {
  case active
  case bytes([UInt8])
  case inputClosed
  case error(String)
  case handshake
  case inactive
}

final class RecordingHandler: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  let recorder: Recorder<Received>

  init(_ recorder: Recorder<Received>) { self.recorder = recorder }

  func channelActive(context: ChannelHandlerContext) { recorder.record(.active) }
  func channelInactive(context: ChannelHandlerContext) { recorder.record(.inactive) }
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    recorder.record(.bytes(Array(unwrapInboundIn(data).readableBytesView)))
  }
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    recorder.record(.error("\(error)"))
  }
  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed { recorder.record(.inputClosed) }
    if "\(event)".contains("handshakeCompleted") { recorder.record(.handshake) }
  }
}

/// Collects a large stream; unlike a recorder it costs the same however much came before.
final class Collector: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  private let collected = Mutex<[UInt8]>([])
  private let ends = Recorder<Bool>()

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    collected.withLock { $0 += part.readableBytesView }
  }

  func channelInactive(context: ChannelHandlerContext) { ends.record(true) }

  /// Everything up to the end of the connection.
  func all() async -> [UInt8] {
    await ends.wait { !$0.isEmpty }
    return collected.withLock { $0 }
  }
}

extension Recorder where Fact == Received {
  var bytes: [UInt8] {
    facts.flatMap { fact -> [UInt8] in
      if case .bytes(let bytes) = fact { return bytes }
      return []
    }
  }

  func waitForBytes(_ count: Int) async {
    await wait { facts in
      var sum = 0
      for case .bytes(let bytes) in facts { sum += bytes.count }
      return sum >= count
    }
  }

  func waitForEnd() async {
    await wait { facts in
      facts.contains {
        if case .inactive = $0 { return true }
        return false
      }
    }
  }
}

/// A plain TCP server whose connections are handed to `setUp`.
func plainServer(
  halfClosure: Bool = false, at address: HostPort = HostPort("127.0.0.1", 0),
  _ setUp: @escaping @Sendable (any Channel) throws -> Void
) async throws -> (channel: any Channel, address: HostPort) {
  let channel = try await ServerBootstrap(group: loops)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.allowRemoteHalfClosure, value: halfClosure)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture { try setUp(channel) }
    }
    .bind(host: address.host, port: address.port).get()
  return (channel, HostPort(address.host, try #require(channel.localAddress?.port)))
}

/// A plain TCP client that records what it gets.
func plainClient(
  _ address: HostPort, halfClosure: Bool = false, _ recorder: Recorder<Received>
) async throws -> any Channel {
  try await plainClient(address, halfClosure: halfClosure, RecordingHandler(recorder))
}

/// A plain TCP client with a handler.
func plainClient(
  _ address: HostPort, halfClosure: Bool = false, _ handler: some ChannelHandler & Sendable
) async throws -> any Channel {
  try await ClientBootstrap(group: loops)
    .channelOption(.allowRemoteHalfClosure, value: halfClosure)
    .channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(handler)
      }
    }
    .connect(host: address.host, port: address.port).get()
}

/// An address where nothing listens: bound once by the system, then freed.
func deadAddress() async throws -> HostPort {
  let (channel, address) = try await plainServer { _ in }
  try await channel.close()
  return address
}

/// Runs a program and returns its exit status and everything it wrote.
func run(_ program: String, _ arguments: [String], input: String = "") throws -> (Int32, String) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [program] + arguments
  let output = Pipe()
  let stdin = Pipe()
  process.standardOutput = output
  process.standardError = output
  process.standardInput = stdin
  try process.run()
  stdin.fileHandleForWriting.write(Data(input.utf8))
  try? stdin.fileHandleForWriting.close()
  let text = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: text, as: UTF8.self))
}

/// Whether the independent judge is on this machine.
let hasOpenSSL = (try? run("openssl", ["version"]))?.0 == 0
