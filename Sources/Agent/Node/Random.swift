// Where time and randomness are drawn, and nowhere else.

import Membership

#if canImport(Glibc)
  import Glibc
#endif

/// The system's random source.
enum Random {
  /// Any 64 bits but 0.
  static func number() -> UInt64 {
    UInt64.random(in: 1 ... .max)
  }

  static func shuffled<Element>(_ elements: [Element]) -> [Element] { elements.shuffled() }

  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }
}

extension Timestamp {
  /// The wall clock. Not by timespec: where the compiler meets that first, it takes the system's
  /// `stat` for CoreFoundation's, in every file that it compiles in the same go.
  static var now: Timestamp {
    var time = timeval()
    gettimeofday(&time, nil)
    return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_usec) / 1000)
  }
}
