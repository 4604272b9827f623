/// The frames that wait for one peer: bounded, in order, shared between those who send and the
/// event loop.
///
/// Law: a frame is counted from the moment it is accepted until its bytes are with the kernel, so
/// the bounds hold for everything this process keeps for a peer, not only for what has not been
/// encoded yet.
struct OutboundQueue {
  private let limits: LinkLimits
  private var waiting: [LinkFrame] = []
  /// Bytes and frames accepted and not yet written to the socket.
  private var bytes = 0
  private var frames = 0
  /// Whether a flush is already on its way to the event loop.
  private var flushIsScheduled = false
  private var droppedSinceReport = 0

  init(limits: LinkLimits) { self.limits = limits }

  /// Takes what fits, drops the rest (the newest); returns whether the event loop must be called.
  mutating func accept(_ new: [LinkFrame]) -> Bool {
    for frame in new {
      let size = frame.payload.count
      let fits =
        (1...limits.frameBytes).contains(size) && frame.group < FrameDecoder.greeting
        && frames < limits.queueFrames && bytes + size <= limits.queueBytes
      guard fits else {
        droppedSinceReport += 1
        continue
      }
      waiting.append(frame)
      bytes += size
      frames += 1
    }
    return schedule()
  }

  /// Whether the caller is the one who must call the event loop.
  mutating func schedule() -> Bool {
    defer { flushIsScheduled = true }
    return !flushIsScheduled
  }

  /// What to write now, at most about `limit` payload bytes, and how many frames were dropped
  /// meanwhile.
  mutating func take(upTo limit: Int) -> [LinkFrame] {
    flushIsScheduled = false
    var count = 0
    var size = 0
    while count < waiting.count, size < limit {
      size += waiting[count].payload.count
      count += 1
    }
    if count == waiting.count {
      defer { waiting = [] }
      return waiting
    }
    defer { waiting.removeFirst(count) }
    return Array(waiting[..<count])
  }

  /// Frames dropped since the last call.
  mutating func takeDropped() -> Int {
    defer { droppedSinceReport = 0 }
    return droppedSinceReport
  }

  /// These bytes and frames have left the process.
  mutating func written(bytes: Int, frames: Int) {
    self.bytes -= bytes
    self.frames -= frames
  }
}
