// Many clients at once before `muster apiserver-proxy`: idle ones, ones that do not read, and ones
// that come and go without a word.

import Foundation
import Testing

extension Program {
  @Suite("The proxy in a crowd", .serialized, .timeLimit(.minutes(10)))
  struct ProxyCrowdTests {
    /// One script: a server that greets and, if it is told so, pours; or a crowd of clients that
    /// says how many of them were greeted, holds on until its input ends, and reads nothing more.
    private static let script = """
      import asyncio, resource, sys
      hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
      resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
      role, place, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
      host, port = place.rsplit(':', 1)
      async def greet(reader, writer):
          try:
              writer.write(b'hello')
              while role == 'pour':
                  writer.write(b'x' * 65536)
                  await writer.drain()
              await reader.read()
          except OSError:
              pass
          writer.close()
      async def serve():
          server = await asyncio.start_server(greet, host, int(port), backlog=4096)
          await server.serve_forever()
      async def come(turn):
          async with turn:
              reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
              if role == 'flood':
                  writer.transport.abort()
                  return None
              return writer if await reader.readexactly(5) == b'hello' else None
      async def crowd():
          turn = asyncio.Semaphore(100)
          all = await asyncio.gather(*[come(turn) for _ in range(count)], return_exceptions=True)
          greeted = [one for one in all if isinstance(one, asyncio.StreamWriter)]
          print('held', len(greeted), flush=True)
          await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
      asyncio.run(serve() if role in ('serve', 'pour') else crowd())
      """

    private func python(_ stage: Stage, _ words: String...) throws -> Tool {
      try Tool("python3", ["-c", Self.script] + words, stage.folder)
    }

    /// KiB of memory that the process has to itself and the system.
    private func memory(_ process: Running) throws -> Int {
      let text = try String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
      return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }

    /// A proxy before a server of that kind, both running.
    private func scene(
      _ stage: Stage, _ kind: String
    ) async throws -> (proxy: Running, server: Tool, listen: String) {
      let listen = stage.node("x").address + ":16443"
      let backend = stage.node("y").address + ":7001"
      let provider = stage.folder.path + "/provider.yaml"
      try ProxyTests.text(of: [backend]).write(
        toFile: provider, atomically: true, encoding: .utf8)
      let server = try python(stage, kind, backend, "0")
      let proxy = try Running(
        [
          "apiserver-proxy", "--provider", provider, "--listen", listen, "--check", "none",
          "--max-connections", "20000",
        ], in: stage.folder)
      try await eventually("a client is greeted through the proxy") {
        try await isGreeted(stage, listen)
      }
      return (proxy, server, listen)
    }

    private func isGreeted(_ stage: Stage, _ listen: String) async throws -> Bool {
      try await python(stage, "come", listen, "1").ended().out == "held 1\n"
    }

    /// Clients that stay until they are ended.
    private func crowd(_ stage: Stage, _ listen: String, _ count: Int) throws -> Tool {
      try Tool(
        "python3", ["-c", Self.script, "come", listen, "\(count)"], stage.folder, holdsInput: true)
    }

    @Test("Thousands of idle connections cost little, and one more client is served")
    func idle() async throws {
      try await onStage { stage in
        let (proxy, server, listen) = try await scene(stage, "serve")
        defer { proxy.end() }
        defer { server.end() }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // Two descriptors a connection.
        let count = min(10_000, Int(clamping: limit.rlim_max / 2) - 500)
        let before = try memory(proxy)
        let crowds = try (0..<4).map { _ in try crowd(stage, listen, count / 4) }
        defer { for crowd in crowds { crowd.end() } }
        try await eventually("all are greeted", within: .seconds(120)) {
          crowds.allSatisfy { $0.lines == ["held \(count / 4)"] }
        }
        #expect(try await isGreeted(stage, listen))
        let each = (try memory(proxy) - before) * 1024 / count
        #expect(each < 8192, "\(each) bytes a connection")
      }
    }

    @Test("Clients that do not read hold up their own server alone, in bounded memory")
    func slowReaders() async throws {
      try await onStage { stage in
        let (proxy, server, listen) = try await scene(stage, "pour")
        defer { proxy.end() }
        defer { server.end() }
        let before = try memory(proxy)
        let crowd = try crowd(stage, listen, 200)
        defer { crowd.end() }
        try await eventually("all are greeted") { crowd.lines == ["held 200"] }
        #expect(try await isGreeted(stage, listen))
        #expect(try memory(proxy) - before < 64 * 1024)
      }
    }

    @Test("A flood of clients that leave at once leaves nothing behind")
    func flood() async throws {
      try await onStage { stage in
        let (proxy, server, listen) = try await scene(stage, "serve")
        defer { proxy.end() }
        defer { server.end() }
        func open() throws -> Int {
          try FileManager.default.contentsOfDirectory(atPath: "/proc/\(proxy.id)/fd").count
        }
        let before = try open()
        _ = try await python(stage, "flood", listen, "5000").ended()
        #expect(try await isGreeted(stage, listen))
        try await eventually("their connections are gone") { try open() <= before + 8 }
      }
    }
  }
}
