// The generated code keeps bytes as Foundation's `Data`; nothing else here does.

import Membership

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

func blob(_ bytes: [UInt8]) -> Data { Data(bytes) }

func array(_ data: Data) -> [UInt8] { [UInt8](data) }

/// A SHA-256 value.
func digest(_ data: Data, _ field: String) throws(Malformed) -> Digest {
  guard let value = Digest(bytes: array(data)) else {
    throw .invalid(field, why: "has \(data.count) bytes, not 32")
  }
  return value
}
