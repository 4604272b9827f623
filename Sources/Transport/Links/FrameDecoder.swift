import NIOCore

/// The frame format: payload length (4 bytes, big-endian, 1...limit), group (1 byte), payload.
///
/// Law: at most one frame beyond what was read is held, and no memory is taken on the word of a
/// length field alone: the buffer grows only as bytes arrive.
struct FrameDecoder {
  enum Fault: Error, Equatable {
    case empty
    case tooLarge(Int)
  }

  static let headerBytes = 5
  /// The group whose payload is a greeting: the first frame each way.
  static let greeting: UInt8 = 254
  /// The group whose payload is the answer to a greeting that was not admitted.
  static let refusal: UInt8 = 255

  /// Largest payload accepted, in bytes.
  var limit: Int
  private var buffer = ByteBuffer()

  init(limit: Int) { self.limit = limit }

  mutating func append(_ bytes: ByteBuffer) {
    if buffer.readableBytes == 0 {
      buffer = bytes
    } else {
      var bytes = bytes
      buffer.discardReadBytes()
      buffer.writeBuffer(&bytes)
    }
  }

  /// The next whole frame; nil when more bytes are needed.
  mutating func next() throws(Fault) -> LinkFrame? {
    let start = buffer.readerIndex
    guard let length = buffer.getInteger(at: start, as: UInt32.self),
      let group = buffer.getInteger(at: start + 4, as: UInt8.self)
    else { return nil }
    guard length > 0 else { throw .empty }
    let count = Int(length)
    guard count <= limit else { throw .tooLarge(count) }
    guard buffer.readableBytes >= Self.headerBytes + count else { return nil }
    buffer.moveReaderIndex(forwardBy: Self.headerBytes)
    guard let payload = buffer.readBytes(length: count) else { return nil }
    return LinkFrame(group: group, payload: payload)
  }

  static func encode(_ frame: LinkFrame, into buffer: inout ByteBuffer) {
    buffer.writeInteger(UInt32(frame.payload.count))
    buffer.writeInteger(frame.group)
    buffer.writeBytes(frame.payload)
  }
}
