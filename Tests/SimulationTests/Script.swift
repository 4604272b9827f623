import Simulator
import Testing

extension Script {
  /// Nothing was broken, now or before, and nothing is while the world comes to rest.
  func finish() {
    #expect(throws: Never.self) { try end() }
  }
}
