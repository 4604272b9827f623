// The page of history in a real browser: as a file, and live. Skipped where Chromium is missing.

import Foundation
import Testing

extension Program {
  @Suite(
    "The page of history in a browser",
    .enabled(if: Browser.executable != nil, "Chromium is not installed"))
  struct BrowserTests {
    private func withBrowser(_ stage: Stage, _ body: (Browser) async throws -> Void) async throws {
      let browser = try Browser(in: stage.folder)
      defer { browser.end() }
      try await body(browser)
      #expect(browser.complaints.isEmpty)
    }

    @Test("A file shows any moment by slider and keyboard, asks for nothing and runs no text")
    func file() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        let evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
        try await nodes[0].succeed("remove-node", "w1", "--force", "--reason", evil)
        let file = stage.folder.appendingPathComponent("page.html").path
        try await nodes[0].succeed("timeline", file)
        let events = try await nodes[0].events()
        let removed = try #require(events.last { $0.type == "node.removed" })
        try await withBrowser(stage) { browser in
          try await browser.open("file://\(file)#\(removed.index)")
          #expect(try browser.text("by('effect').textContent").contains(evil))
          #expect(try browser.text("by('events').textContent").contains(evil))
          #expect(try browser.text("document.images.length") == "0")
          #expect(try browser.text("by('type').textContent") == "node.removed")
          // Each view names a command that prints the same.
          for id in ["ha", "nodes", "provider", "show", "lanes", "events"] {
            let place = "by('\(id)Command').querySelector('code').textContent"
            #expect(try browser.text(place).hasPrefix("muster "), "\(id)")
          }
          let command = try browser.text("by('haCommand').textContent")
          #expect(command.contains("status --at \(removed.index) --data-dir \(nodes[0].data)"))
          let status = try await nodes[0].succeed("status", "--at", "\(removed.index)")
          for line in try browser.text("by('ha').textContent").split(separator: "\n") {
            #expect(status.contains("\n\(line)\n"))
          }
          try self.keys(browser, last: try #require(events.last).index)
          #expect(browser.requests.allSatisfy { $0.hasPrefix("file://\(file)") })
        }
      }
    }

    private func keys(_ browser: Browser, last: UInt64) throws {
      func current() throws -> String { try browser.text("current") }
      _ = try browser.text("by('slider').focus()")
      try browser.press("Home", code: 36)
      #expect(try current() == "1")
      #expect(try browser.text("by('type').textContent") == "cluster.formed")
      #expect(try browser.text("by('nodes').rows.length") == "1")
      #expect(
        try browser.text("by('events').querySelector('[aria-current]').cells[0].textContent")
          == "1")
      try browser.press("ArrowRight", code: 39)
      #expect(try current() == "2")
      try browser.press("PageUp", code: 33)
      #expect(try current() == "\(min(12, last))")
      try browser.press("PageDown", code: 34)
      #expect(try current() == "\(max(1, min(12, last) - 10))")
      try browser.press("End", code: 35)
      #expect(try current() == "\(last)")
      let words = try browser.text("by('slider').getAttribute('aria-valuetext')")
      #expect(words.hasPrefix("event \(last) of \(last), "))
      try browser.press("/", code: 191)
      #expect(try browser.text("document.activeElement.id") == "filter")
      try browser.call("Input.insertText", ["text": "node.joined"])
      let kinds = "new Set([...by('events').rows].map(row => row.cells[3].textContent))"
      #expect(try browser.text("[...\(kinds)]") == "node.joined")
      let command = try browser.text("by('eventsCommand').querySelector('code').textContent")
      #expect(command.hasSuffix(" | grep -iF -- 'node.joined'"))
      try browser.press("Escape", code: 27)
      #expect(try browser.text("by('events').rows.length") == "\(last)")
    }

    @Test("Of two nodes with one name each is told apart, and the first is there until it is not")
    func namesakes() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        try await nodes[1].succeed("leave")
        try await nodes[0].admit(nodes[1])
        let file = stage.folder.appendingPathComponent("page.html").path
        try await nodes[0].succeed("timeline", file)
        let events = try await nodes[0].events()
        let left = try #require(events.last { $0.type == "node.left" }).index
        let again = try #require(events.last { $0.type == "node.joined" }).index
        try await withBrowser(stage) { browser in
          func lines(_ script: String) throws -> [String] {
            try browser.text("\(script).join('\\n')").split(separator: "\n").map(String.init)
          }
          let ids = "story.nodes.filter(n => n.name === 'n2').map(n => n.id)"
          let rows = "[...by('nodes').rows].map(row => row.cells[0].textContent)"
          try await browser.open("file://\(file)#\(left)")
          let namesakes = try lines(ids).map { "n2 \($0.prefix(4))" }
          try #require(Set(namesakes).count == 2)
          #expect(try lines(rows) == ["n1", namesakes[0]])
          #expect(
            try lines("[...svg.querySelectorAll('text > title')].map(t => t.textContent)")
              == ["can lose", "n1"] + namesakes)
          let lanes =
            "[...svg.querySelectorAll('.rule')]"
            + ".filter(l => l.getAttribute('y1') === l.getAttribute('y2'))"
            + ".map(l => Math.abs(l.getAttribute('x2') - x(\(again))) < 1)"
          #expect(try lines(lanes) == ["false", "true", "false"])
          #expect(try browser.text("by('omitted').hidden") == "true")
          _ = try browser.text("show(\(again))")
          #expect(try lines(rows) == ["n1", namesakes[1]])
          let part = stage.folder.appendingPathComponent("part.html").path
          try await nodes[0].succeed("timeline", "--range", "2..\(left)", part)
          try await browser.open("file://\(part)")
          let omitted = try browser.text("by('omitted').textContent")
          #expect(omitted.hasPrefix("1 earlier event (1) and "), "\(omitted)")
          let reason = " are not on this page, which was made of 2..\(left). "
          #expect(omitted.contains(reason), "\(omitted)")
        }
      }
    }

    @Test("A link opens the live page once; events appear by themselves, over a restart too")
    func live() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let link = try await node.succeed("ui").trimmingCharacters(in: .whitespacesAndNewlines)
        try await withBrowser(stage) { browser in
          try await browser.open(link)
          let secret = try #require(link.split(separator: "=").last)
          #expect(try !browser.text("location.href + document.cookie").contains(secret))
          try await eventually("it is live") {
            try browser.text("by('live').textContent") == "live from n1, leader n1"
          }
          let before = try await node.status().index
          try await node.succeed("add-node")
          try await eventually("the new event is shown") {
            try browser.text("last()") == "\(before + 1)"
              && browser.text("by('type').textContent") == "token.issued"
          }
          // The session ends with the agent; with a new one the same page goes on.
          #expect(try await node.stop() == 0)
          try await node.start()
          try await node.succeed("add-node")
          try await eventually("it says that it is cut off") {
            try browser.text("by('live').dataset.state") == "lost"
          }
          let next = try await node.succeed("ui").trimmingCharacters(in: .whitespacesAndNewlines)
          try browser.openBeside(next)
          let events = try await node.events()
          try await eventually("everything is shown") {
            try browser.text("last()") == "\(events.count)"
          }
          #expect(
            try browser.text("story.events.map(e => e.i + ' ' + e.y).join()")
              == events.map { "\($0.index) \($0.type)" }.joined(separator: ","))
          #expect(!node.log.contains(secret))
          // The browser tells of the refused stream; nothing else is amiss.
          browser.complaints.removeAll { $0.contains("403") || $0.contains("ERR_CONNECTION") }
        }
      }
    }
  }
}
