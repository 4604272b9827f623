// Frozen means frozen.

import Foundation
import Membership
import Schema
import Testing

@Suite struct GoldenTests {
  @Test("What is encoded today is byte for byte what was encoded before", arguments: Golden.all)
  func bytesAreFrozen(_ golden: Golden) throws {
    #expect(hex(golden.bytes) == hex(try golden.recorded()))
  }

  @Test("Recorded events read back as the values they were made from")
  func eventsReadBack() throws {
    for (name, event) in Samples.events {
      let golden = try #require(Golden.all.first { $0.path == "events/\(name)" })
      #expect(try Envelope(decoding: golden.recorded()) == Samples.envelope(event), "\(name)")
    }
  }

  @Test("Recorded requests and frames read back as the values they were made from")
  func restReadsBack() throws {
    for (name, request) in Samples.requests {
      let golden = try #require(Golden.all.first { $0.path == "requests/\(name)" })
      #expect(try Request(decoding: golden.recorded()) == request, "\(name)")
    }
    for (name, frame) in Samples.frames {
      let golden = try #require(Golden.all.first { $0.path == "frames/\(name)" })
      #expect(try Frame(decoding: golden.recorded()) == frame, "\(name)")
    }
    let golden = try #require(Golden.all.first { $0.path == "frames/hello" })
    #expect(try Hello(decoding: golden.recorded()) == Samples.hello)
  }

  @Test("Every golden file is still the bytes of something")
  func noFileIsLeftOver() throws {
    for golden in Golden.all { _ = try golden.recorded() }
    for folder in ["events", "requests", "frames"] {
      let url = Golden.root.appending(path: "Fixtures/\(folder)")
      let files = try FileManager.default.contentsOfDirectory(atPath: url.path)
      for file in files where file.hasSuffix(".hex") {
        let path = "\(folder)/\(file.dropLast(4))"
        #expect(Golden.all.contains { $0.path == path }, "\(path) has no sample")
      }
    }
  }

  @Test(
    "protoc reads the golden bytes as the text beside them, and writes the text as these bytes",
    .enabled(if: Protoc.isInstalled, "protoc is not installed (apt install protobuf-compiler)"),
    arguments: Golden.all)
  func protocAgrees(_ golden: Golden) throws {
    let recorded = try golden.recorded()
    let text = try Protoc.run("decode", golden.message, input: recorded)
    #expect(String(decoding: text, as: UTF8.self) == (try golden.recordedText()))
    #expect(hex(try Protoc.run("encode", golden.message, input: text)) == hex(recorded))
  }

  @Test("Every kind of event has the name and number in events.proto that the catalogue gives it")
  func catalogueIsReserved() throws {
    let proto = try String(
      contentsOf: Golden.protos.appending(path: "events.proto"), encoding: .utf8)
    for type in EventType.allCases {
      let field = type.name.replacing(".", with: "_").replacing("-", with: "_")
      let declaration = " \(field) = \(16 + type.rawValue);"
      #expect(proto.contains(declaration), "no\(declaration) for \(type.name)")
    }
  }

  @Test("Events that this version appends have a golden sample each; the others are not known")
  func everyKindIsSampledOrUnknown() throws {
    let sampled = Set(Samples.events.map(\.event.type))
    for type in EventType.allCases {
      let field = Proto().message(16 + type.rawValue, Proto()).bytes
      let outcome = Result { () throws(Malformed) in try Envelope(decoding: field) }
      #expect(
        (outcome == .failure(.unknownEvent(type.rawValue))) != sampled.contains(type),
        "\(type.name) has a case and no sample, or a sample and no case: \(outcome)")
    }
    for (name, event) in Samples.events {
      #expect(name == event.type.name || name.hasPrefix(event.type.name + "_"))
    }
  }

  @Test("A fingerprint is the FNV-1a of the command's bytes, now and after any upgrade")
  func fingerprintsAreFrozen() {
    // Computed elsewhere, of the bytes 42 00 and 22 09 09 efcdab8967452311.
    #expect(Command.settle.fingerprint == 0x0912_d407_b5aa_007f)
    #expect(Command.leave(Samples.n2).fingerprint == 0x813a_311e_c005_2167)
  }

  @Test("A fingerprint is of the command alone, and different commands have different ones")
  func fingerprintsDiffer() {
    let all = Set(Samples.requests.map(\.request.command.fingerprint))
    #expect(all.count == Samples.requests.count)
  }

  @Test("What an introduction's signature covers is fixed to the byte")
  func statementIsFrozen() {
    #expect(
      hex(Samples.hello.introductions[0].statement)
        == hex("muster introduction 1\0".utf8) + "00c0ffee00000001" + "0000000000000000"
        + "1123456789abcdef" + "0000000000000011" + Samples.digest(0x20).description)
  }
}
