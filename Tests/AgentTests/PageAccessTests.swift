import Testing

@testable import Agent

@Suite("Links that open the page of history")
struct PageAccessTests {
  private static let start: UInt64 = 1_000_000

  private static func linked() -> PageAccess {
    var access = PageAccess()
    access.add(link: "the link", cluster: "c1", now: start)
    return access
  }

  private static func open(
    _ access: inout PageAccess, _ session: String, _ link: String, cluster: String = "c1",
    now: UInt64 = start
  ) -> Bool {
    access.open(session: session, link: link, cluster: cluster, now: now)
  }

  @Test("A link opens one session, once")
  func once() {
    var access = Self.linked()
    #expect(!access.admits(session: "s1", cluster: "c1", now: Self.start))
    let isOpen = Self.open(&access, "s1", "the link")
    #expect(isOpen)
    let isOpenAgain = Self.open(&access, "s2", "the link")
    #expect(!isOpenAgain)
    #expect(access.admits(session: "s1", cluster: "c1", now: Self.start))
    for other in ["s2", "the link", "", "S1"] {
      #expect(!access.admits(session: other, cluster: "c1", now: Self.start))
    }
  }

  @Test("A link counts for five minutes, a session for twelve hours")
  func ends() {
    let last = Self.start + PageAccess.linkLife - 1
    var access = Self.linked()
    let isOpen = Self.open(&access, "s1", "the link", now: last)
    #expect(isOpen)
    let end = last + PageAccess.sessionLife
    #expect(access.admits(session: "s1", cluster: "c1", now: end - 1))
    #expect(!access.admits(session: "s1", cluster: "c1", now: end))
    var late = Self.linked()
    let isOpenAgain = Self.open(&late, "s1", "the link", now: last + 1)
    #expect(!isOpenAgain)
    // It was shown to somebody: also at an earlier time it counts no more.
    let isOpenLater = Self.open(&late, "s1", "the link")
    #expect(!isOpenLater)
    #expect(PageAccess.linkLife == 300 * 1_000_000_000)
    #expect(PageAccess.sessionLife == 12 * 3600 * 1_000_000_000)
  }

  @Test("A wrong key opens nothing, and spoils no link")
  func wrong() {
    var access = Self.linked()
    for key in ["", "the lin", "the link ", "The link"] {
      let isOpen = Self.open(&access, "s1", key)
      #expect(!isOpen)
    }
    #expect(!access.admits(session: "s1", cluster: "c1", now: Self.start))
    let isOpenAgain = Self.open(&access, "s1", "the link")
    #expect(isOpenAgain)
  }

  @Test("Neither a link nor a session is worth anything in another cluster")
  func otherCluster() {
    var access = Self.linked()
    let isOpen = Self.open(&access, "s1", "the link", cluster: "c2")
    #expect(!isOpen)
    access = Self.linked()
    let isOpenAgain = Self.open(&access, "s1", "the link")
    #expect(isOpenAgain)
    #expect(!access.admits(session: "s1", cluster: "c2", now: Self.start))
  }

  @Test("Secrets are not kept, and the newest links and sessions only")
  func bounded() {
    var access = PageAccess()
    for number in 0..<100 {
      access.add(link: "link \(number)", cluster: "c1", now: Self.start)
      let isOpen = Self.open(&access, "session \(number)", "link \(number)")
      #expect(isOpen)
    }
    #expect(!access.admits(session: "session 35", cluster: "c1", now: Self.start))
    #expect(access.admits(session: "session 36", cluster: "c1", now: Self.start))
    for number in 0..<17 { access.add(link: "more \(number)", cluster: "c1", now: Self.start) }
    let isOpen = Self.open(&access, "s", "more 0")
    #expect(!isOpen)
    let isOpenAgain = Self.open(&access, "s", "more 1")
    #expect(isOpenAgain)
    #expect(!"\(access)".contains("more 2") && !"\(access)".contains("session 99"))
  }
}
