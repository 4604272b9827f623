// Protobuf by hand, for bytes that the encoder would never make.

struct Proto {
  private(set) var bytes: [UInt8] = []

  func varint(_ field: Int, _ value: UInt64) -> Proto {
    adding(Self.varint(UInt64(field) << 3) + Self.varint(value))
  }

  func fixed64(_ field: Int, _ value: UInt64) -> Proto {
    adding(
      Self.varint(UInt64(field) << 3 | 1)
        + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) })
  }

  func bytes(_ field: Int, _ value: [UInt8]) -> Proto {
    adding(Self.varint(UInt64(field) << 3 | 2) + Self.varint(UInt64(value.count)) + value)
  }

  func string(_ field: Int, _ value: String) -> Proto { bytes(field, Array(value.utf8)) }

  func message(_ field: Int, _ value: Proto) -> Proto { bytes(field, value.bytes) }

  private func adding(_ more: [UInt8]) -> Proto {
    var out = self
    out.bytes += more
    return out
  }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var (rest, out) = (value, [UInt8]())
    while rest >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return out + [UInt8(rest)]
  }
}
