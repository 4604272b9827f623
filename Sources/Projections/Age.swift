// Durations as kubectl prints them (k8s.io/apimachinery, duration.HumanDuration): precise while
// short, coarse when long, always a few characters wide.

/// A length of time for people.
package struct Age: Hashable, Sendable, CustomStringConvertible {
  package var milliseconds: Int64
  package init(milliseconds: Int64) { self.milliseconds = milliseconds }

  /// `5s`, `3m12s`, `2h`, `4d`; what lies in the future is `0s`.
  package var description: String {
    let seconds = max(0, milliseconds) / 1000
    let minutes = seconds / 60
    let hours = minutes / 60
    let days = hours / 24
    if seconds < 120 { return "\(seconds)s" }
    if minutes < 10 { return pair(minutes, "m", seconds % 60, "s") }
    if minutes < 180 { return "\(minutes)m" }
    if hours < 8 { return pair(hours, "h", minutes % 60, "m") }
    if hours < 48 { return "\(hours)h" }
    if days < 8 { return pair(days, "d", hours % 24, "h") }
    if days < 2 * 365 { return "\(days)d" }
    if days < 8 * 365 { return pair(days / 365, "y", days % 365, "d") }
    return "\(days / 365)y"
  }

  /// The same with milliseconds below one second: `38ms`.
  package var precise: String {
    milliseconds < 1000 ? "\(max(0, milliseconds))ms" : description
  }

  private func pair(_ a: Int64, _ unit: String, _ b: Int64, _ smaller: String) -> String {
    b == 0 ? "\(a)\(unit)" : "\(a)\(unit)\(b)\(smaller)"
  }
}
