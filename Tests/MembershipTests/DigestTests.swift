import Membership
import Testing

@Suite struct DigestTests {
  @Test(
    "Digests that differ in one place only, whichever it is, are apart in a table",
    arguments: 0..<32)
  func apart(place: Int) throws {
    let digests = try (0..<256).map { value in
      var bytes = [UInt8](repeating: 3, count: 32)
      bytes[place] = UInt8(value)
      return try #require(Digest(bytes: bytes))
    }
    #expect(Set(digests).count == 256)
    #expect(Set(digests.map(\.hashValue)).count == 256)
  }
}
