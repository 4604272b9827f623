// How a failing case is shown.

/// A unified diff of two short texts.
enum Difference {
  static func unified(expected: [String], actual: [String], context: Int = 3) -> String {
    let lines = edits(expected, actual)
    var shown = Set<Int>()
    for (position, line) in lines.enumerated() where !line.hasPrefix(" ") {
      for near in (position - context)...(position + context) { shown.insert(near) }
    }
    var result = "--- expected\n+++ actual\n"
    var last = -1
    for (position, line) in lines.enumerated() where shown.contains(position) {
      if position != last + 1 { result += "@@ line \(position + 1)\n" }
      result += line + "\n"
      last = position
    }
    return result
  }

  /// All lines of both texts, each marked with "-", "+" or " ", by the longest common subsequence.
  private static func edits(_ old: [String], _ new: [String]) -> [String] {
    var length = Array(
      repeating: Array(repeating: 0, count: new.count + 1), count: old.count + 1)
    for i in old.indices.reversed() {
      for j in new.indices.reversed() {
        length[i][j] =
          old[i] == new[j] ? length[i + 1][j + 1] + 1 : max(length[i + 1][j], length[i][j + 1])
      }
    }
    var result: [String] = []
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      if i < old.count, j < new.count, old[i] == new[j] {
        result.append(" " + old[i])
        (i, j) = (i + 1, j + 1)
      } else if j == new.count || (i < old.count && length[i + 1][j] >= length[i][j + 1]) {
        result.append("-" + old[i])
        i += 1
      } else {
        result.append("+" + new[j])
        j += 1
      }
    }
    return result
  }
}
