// A history as one page of HTML that needs nothing else: lanes of nodes with their roles over the
// events, what may be lost as a band, a slider over the index, and the list of events in step with
// it. Each view on the page names the command that prints the same.
//
// A file and the page of a living agent are one page: the agent's goes on where the records that it
// came with end. Nothing is loaded from anywhere else: the page's own policy forbids it, and allows
// no script and no style but the two that are in it, by their hashes.

import Crypto
import FoundationEssentials
import Membership
import Projections

/// The page, ready to be written to a file or sent to a browser.
package struct TimelinePage: Sendable {
  package let html: String
  /// What a browser may do with it, as the header and the page itself have it.
  package let policy: String

  /// How many events a page holds at most.
  package static let limit: UInt64 = 5000

  /// - Parameters:
  ///   - range: the events to draw; the newest `limit` of all if nil.
  ///   - option: what the commands on the page need to find this history, like `--data-dir x`.
  ///   - live: where the page asks for what comes after it; nil for a file.
  package init(
    _ history: History, _ range: ClosedRange<UInt64>? = nil, option: String = "",
    live: String? = nil
  ) throws {
    let all = range ?? history.first...max(history.first, history.head)
    let low = Self.first(of: all)
    var recorder = TimelineRecorder()
    var records: [Document] = []
    try history.walk(from: low, through: all.upperBound) { recorded, before, after in
      records.append(recorder.record(recorded, before: before, after: after))
      return true
    }
    let about = Document.object([
      ("cluster", .text(history.source.cluster.description)),
      ("source", .text(history.source.name)), ("option", .text(option)),
      ("first", .number(history.first)), ("head", .number(history.head)),
      ("limit", .number(Self.limit)), ("live", .text(live)),
      ("from", .number(all.lowerBound)), ("to", .number(all.upperBound)),
    ])
    policy = Self.policy(connects: live != nil)
    html = TimelineMarkup.page
      .replacing("@POLICY@", with: policy)
      .replacing("@STYLE@", with: TimelineStyle.text)
      .replacing("@SCRIPT@", with: TimelineScript.text)
      .replacing("@CLUSTER@", with: Self.escaped(history.source.cluster.description))
      .replacing("@ABOUT@", with: Self.inert(about))
      .replacing("@RECORDS@", with: Self.inert(.list(records)))
  }

  /// The first of the newest `limit` indexes of a range.
  package static func first(of range: ClosedRange<UInt64>) -> UInt64 {
    range.upperBound - range.lowerBound < limit
      ? range.lowerBound : range.upperBound - limit + 1
  }

  private static func policy(connects: Bool) -> String {
    func hash(_ text: String) -> String {
      "'sha256-\(Data(SHA256.hash(data: Array(text.utf8))).base64EncodedString())'"
    }
    return "default-src 'none'; script-src \(hash(TimelineScript.text)); "
      + "style-src \(hash(TimelineStyle.text)); base-uri 'none'; form-action 'none'"
      + (connects ? "; connect-src 'self'" : "")
  }

  /// Data in a script element ends at no `</script>`, whatever is in it.
  private static func inert(_ data: Document) -> String {
    data.line.replacing("<", with: "\\u003c")
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
