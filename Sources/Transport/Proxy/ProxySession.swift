// One client and its server: what has been read and not written yet, in both directions.

/// Bytes on their way in one direction.
struct Flow {
  /// Whether the source may have something: known from an edge, until a read finds nothing.
  var readable = false
  /// Whether the source announced its end, so that a short read is not the last.
  var ending = false
  var writable = true
  /// What the target did not take.
  var pending: [UInt8] = []
  var offset = 0
  /// Reads in a row that filled the buffer.
  var fullReads = 0
  /// A large transfer: it goes through a pipe.
  var isLarge = false
  var pipe: Pipe?
  /// The source said its last byte.
  var ended = false
  /// The target was told so, or takes nothing more.
  var finished = false
  var total: UInt64 = 0

  mutating func keep(_ bytes: UnsafeRawBufferPointer) {
    pending = Array(bytes)
    offset = 0
    writable = false
  }
}

/// One client of the proxy, on the thread of its loop.
final class ProxySession {
  enum Phase {
    /// A server was dialled and did not accept yet.
    case connecting
    /// It accepted and said nothing yet: the client's ClientHello may still go to another.
    case trial
    /// Both are glued.
    case open
  }

  let slot: Int
  let client: Socket
  let clientSerial: UInt32
  var server: Socket?
  var serverSerial: UInt32 = 0
  var phase = Phase.connecting
  var backend: BackendTable.ID?
  var tried: [BackendTable.ID] = []
  /// What the client said so far, while that could be said again to another server.
  var hello: ClientHello? = ClientHello()
  var connectedAt: UInt64 = 0
  /// When the server last said something.
  var heardAt: UInt64 = 0
  /// From the client to the server, and back.
  var up = Flow()
  var down = Flow()
  var isQueued = false
  var wasConnected = false

  init(slot: Int, client: Socket, serial: UInt32) {
    self.slot = slot
    self.client = client
    clientSerial = serial
  }
}
