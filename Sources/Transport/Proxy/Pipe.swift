import CLinux

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A pipe in the kernel through which bytes go from one socket to the other without a copy here.
struct Pipe {
  let input: Socket
  let output: Socket
  /// Bytes in it.
  var held = 0

  /// Nil where the process has no descriptors left for it.
  init?(size: Int) {
    var ends: [Int32] = [0, 0]
    guard clinux_pipe(&ends, Int32(size)) == 0 else { return nil }
    output = Socket(handle: ends[0])
    input = Socket(handle: ends[1])
  }

  mutating func fill(from source: Socket, most: Int) -> Socket.Moved {
    let moved = Self.move(source, input, most)
    if case .bytes(let count) = moved { held += count }
    return moved
  }

  mutating func drain(to target: Socket) -> Socket.Moved {
    let moved = Self.move(output, target, held)
    if case .bytes(let count) = moved { held -= count }
    return moved
  }

  private static func move(_ from: Socket, _ to: Socket, _ most: Int) -> Socket.Moved {
    while true {
      let count = clinux_splice(from.handle, to.handle, most)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .later : .failed(errno)
    }
  }

  func close() {
    input.close()
    output.close()
  }
}
