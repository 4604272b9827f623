// The answer of the rules when they do not refuse.

/// What is to be done about a request.
package enum Decision: Hashable, Sendable {
  /// Append this one event; the request is done once it is applied, or, if `finishes` is false,
  /// once the departure that it begins is over.
  case append(Envelope, finishes: Bool)
  /// Nothing to append: it happened before, or things are already as asked for.
  case already(Already)
}

/// Where in the log the answer stands. It may be given once `latest` is committed and `finished`.
package struct Already: Hashable, Sendable {
  package var first: UInt64
  package var latest: UInt64
  /// False while the command's departure is still under way.
  package var finished: Bool
  package init(first: UInt64, latest: UInt64, finished: Bool) {
    self.first = first
    self.latest = latest
    self.finished = finished
  }
}
