// Bytes from one socket to another: through one buffer, or for large transfers through a pipe.

import Synchronization

/// Memory that a loop reads into.
final class ScratchBuffer {
  let bytes: UnsafeMutableRawBufferPointer

  init(size: Int) { bytes = .allocate(byteCount: size, alignment: 4096) }

  deinit { bytes.deallocate() }
}

extension ProxyCarrier {
  /// Why moving stopped.
  enum Outcome {
    /// Nothing more to do until something changes.
    case idle
    /// There is more; others have their turn first.
    case more
    case sourceFailed
    case targetFailed
  }

  enum Written {
    case done
    case later
    case failed
  }

  private static let pipeSize = 1 << 20

  /// Moves what the source has and the target takes, within a fair turn.
  func move(
    _ flow: inout Flow, _ source: Socket, _ target: Socket, _ meter: borrowing Atomic<UInt64>
  )
    -> Outcome
  {
    var turns = 16
    while true {
      switch flush(&flow, target) {
      case .done: break
      case .later: return .idle
      case .failed: return .targetFailed
      }
      if flow.ended {
        if !flow.finished { target.endOutput() }
        flow.finished = true
        drop(&flow)
        return .idle
      }
      guard flow.readable, !flow.finished else { return .idle }
      turns -= 1
      if turns < 0 { return .more }
      switch flow.isLarge ? fill(&flow, source) : copy(&flow, source, target) {
      case .bytes(let count):
        flow.total += UInt64(count)
        meter.count(UInt64(count))
      case .later: flow.readable = false
      case .end: flow.ended = true
      case .failed(let code): return code == Self.writeFailed ? .targetFailed : .sourceFailed
      }
    }
  }

  private static var writeFailed: Int32 { -1 }

  private func copy(_ flow: inout Flow, _ source: Socket, _ target: Socket) -> Socket.Moved {
    let moved = source.read(into: scratch.bytes)
    guard case .bytes(let count) = moved else { return moved }
    if count == scratch.bytes.count {
      flow.fullReads += 1
      flow.isLarge = flow.fullReads >= 4
    } else {
      flow.fullReads = 0
      if !flow.ending { flow.readable = false }
    }
    let bytes = UnsafeRawBufferPointer(rebasing: scratch.bytes[..<count])
    return write(&flow, bytes, target) == .failed ? .failed(Self.writeFailed) : moved
  }

  private func fill(_ flow: inout Flow, _ source: Socket) -> Socket.Moved {
    guard var pipe = flow.pipe ?? pipes.popLast() ?? Pipe(size: Self.pipeSize) else {
      // No descriptors: the buffer does as well.
      flow.isLarge = false
      flow.fullReads = 0
      return .bytes(0)
    }
    let moved = pipe.fill(from: source, most: Self.pipeSize)
    flow.pipe = pipe
    if case .later = moved { giveBack(&flow) }
    return moved
  }

  /// Returns an empty pipe for others to use.
  private func giveBack(_ flow: inout Flow) {
    guard let pipe = flow.pipe else { return }
    flow.pipe = nil
    if pipe.held == 0, pipes.count < 16 { pipes.append(pipe) } else { pipe.close() }
  }

  /// Forgets what was not written.
  func drop(_ flow: inout Flow) {
    flow.pending = []
    giveBack(&flow)
  }

  /// Writes what was kept before.
  func flush(_ flow: inout Flow, _ target: Socket) -> Written {
    while let held = flow.pipe?.held, held > 0 {
      guard flow.writable else { return .later }
      switch flow.pipe?.drain(to: target) {
      case .bytes: continue
      case .later:
        flow.writable = false
        return .later
      default: return .failed
      }
    }
    guard flow.offset < flow.pending.count else { return .done }
    guard flow.writable else { return .later }
    let result = flow.pending.withUnsafeBytes { all -> Socket.Moved in
      target.write(UnsafeRawBufferPointer(rebasing: all[flow.offset...]))
    }
    switch result {
    case .bytes(let count):
      flow.offset += count
      if flow.offset < flow.pending.count {
        flow.writable = false
        return .later
      }
      flow.pending = []
      flow.offset = 0
      return .done
    case .later:
      flow.writable = false
      return .later
    default: return .failed
    }
  }

  /// Writes, and keeps what the target does not take.
  func write(_ flow: inout Flow, _ bytes: UnsafeRawBufferPointer, _ target: Socket) -> Written {
    switch target.write(bytes) {
    case .bytes(let count):
      if count == bytes.count { return .done }
      flow.keep(UnsafeRawBufferPointer(rebasing: bytes[count...]))
      return .later
    case .later:
      flow.keep(bytes)
      return .later
    default: return .failed
    }
  }
}
