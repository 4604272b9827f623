import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import Transport

/// A server in a process of its own, so that it can be hurt as a real one is: killed, ended,
/// stopped. It answers any GET over TLS, many at a time.
final class TLSServer: Sendable {
  let address: HostPort
  private let process: Process

  /// Whether what it needs is on this machine.
  static let isPossible = hasOpenSSL && (try? run("python3", ["--version"]))?.0 == 0

  private static let program = """
    import http.server, signal, ssl, sys
    # What Foundation blocks in its threads it blocks in its children.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'ok')
    server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
    """

  /// - Parameter address: where to listen; a free port if its port is 0.
  init(_ scratch: Scratch, at address: HostPort = here) async throws {
    let files = (scratch.file("tls.crt"), scratch.file("tls.key"))
    if !FileManager.default.fileExists(atPath: files.0) {
      let made = try run(
        "openssl",
        [
          "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
          "-days", "2", "-subj", "/CN=test", "-keyout", files.1, "-out", files.0,
        ])
      try #require(made.0 == 0, "\(made.1)")
    }
    self.address = address.port == 0 ? try await deadAddress() : address
    process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", "-c", Self.program, self.address.host, "\(self.address.port)", files.0, files.1,
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    while process.isRunning {
      if (try? await plainClient(self.address, Recorder<Received>()).close()) != nil { break }
      try await Task.sleep(for: .milliseconds(20))
    }
    try #require(process.isRunning, "the server ended on \(self.address)")
  }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  func waitForEnd() async throws {
    while process.isRunning { try await Task.sleep(for: .milliseconds(10)) }
  }

  deinit {
    kill(process.processIdentifier, SIGCONT)
    kill(process.processIdentifier, SIGKILL)
  }
}

/// Makes a fresh TLS connection, asks for a page, and says whether it came.
func visitTLS(_ address: HostPort) async throws -> Bool {
  var configuration = TLSConfiguration.makeClientConfiguration()
  configuration.certificateVerification = .none
  let context = try NIOSSLContext(configuration: configuration)
  let recorder = Recorder<Received>()
  let channel = try await ClientBootstrap(group: loops)
    .channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandlers([
          try NIOSSLClientHandler(context: context, serverHostname: nil),
          RecordingHandler(recorder),
        ])
      }
    }
    .connect(host: address.host, port: address.port).get()
  channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.0\r\n\r\n"), promise: nil)
  await recorder.wait { facts in
    facts.contains {
      switch $0 {
      case .bytes, .inactive: true
      default: false
      }
    }
  }
  channel.close(promise: nil)
  return recorder.bytes.starts(with: Array("HTTP/1.0 200".utf8))
}
