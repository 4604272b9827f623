import Foundation
import Membership
import Projections
import Testing

@testable import Agent

@Suite("Status as JSON")
struct StatusViewTests {
  @Test("names whether the program runs, and of the past that nobody knows")
  func running() throws {
    for (basis, known) in [(StatusReport.Basis.replayed, nil), (.confirmed, true)] as [(_, Bool?)] {
      let report = StatusReport(
        Cluster(), now: Timestamp(milliseconds: 0), outlook: nil, basis: basis)
      let bytes = try JSONEncoder().encode(StatusJSON(report))
      let answer = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
      let running = try #require(answer["running"])
      #expect(running is NSNull == (known == nil) && running as? Bool == known)
    }
  }
}
