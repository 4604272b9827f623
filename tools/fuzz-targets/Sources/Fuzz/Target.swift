// What one input is given to: the target that FUZZ_TARGET names.
//
// Two laws for every decoder: no bytes end the process, and what is read is written again as bytes
// that are read as the same. libFuzzer sees both as a crash, and keeps the input.

import Glibc
import Membership
import Raft
import Schema
import Words

enum Target: String, CaseIterable {
  case frame, hello, introduction, request, envelope, message, recollections
  case join = "join-string"
  /// Has to fail: it proves that a crash would be found.
  case planted

  static let chosen: Target = {
    guard let name = getenv("FUZZ_TARGET").map({ String(cString: $0) }),
      let target = Target(rawValue: name)
    else {
      print("FUZZ_TARGET must be one of: \(allCases.map(\.rawValue).joined(separator: " "))")
      exit(2)
    }
    return target
  }()

  func take(_ bytes: [UInt8]) {
    switch self {
    case .frame: again(bytes, { try Frame(decoding: $0) }, { $0.encoded() })
    case .hello: again(bytes, { try Hello(decoding: $0) }, { $0.encoded() })
    case .introduction: again(bytes, { try Introduction(decoding: $0) }, { $0.encoded() })
    case .request: again(bytes, { try Request(decoding: $0) }, { $0.encoded() })
    case .envelope: again(bytes, { try Envelope(decoding: $0) }, { $0.encoded() })
    case .message: again(bytes, { try Message(decoding: $0) }, { $0.encoded() })
    case .recollections:
      again(bytes, { try Recollection.decode($0) }, { Recollection.encode($0) })
    case .join: _ = try? JoinString(parsing: String(decoding: bytes, as: UTF8.self))
    case .planted: plant(bytes)
    }
  }

  /// One byte after another, in instrumented code: so the fuzzer sees how far it has come.
  private func plant(_ bytes: [UInt8]) {
    guard bytes.count >= 4 else { return }
    if bytes[0] == 0x46, bytes[1] == 0x55, bytes[2] == 0x5a, bytes[3] == 0x5a {
      preconditionFailure("planted")
    }
  }

  private func again<Value: Equatable>(
    _ bytes: [UInt8], _ decode: ([UInt8]) throws -> Value, _ encode: (Value) -> [UInt8]
  ) {
    guard let value = try? decode(bytes) else { return }
    guard let second = try? decode(encode(value)) else {
      preconditionFailure("\(rawValue): what was read cannot be read again: \(value)")
    }
    precondition(second == value, "\(rawValue): read again it differs: \(value) and \(second)")
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  Target.chosen.take(Array(UnsafeBufferPointer(start: start, count: size)))
  return 0
}
