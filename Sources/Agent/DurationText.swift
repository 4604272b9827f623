// Durations as people type them: `90`, `90s`, `5m`, `1h30m`.

/// Reads durations. Pure: no locale, no clock, ASCII digits only.
package enum DurationText {
  /// What is accepted, for messages.
  package static let form = "a whole number of seconds, or like 90s, 5m, 1h30m, 7d"

  private static let units: [(letter: Character, seconds: Int64)] = [
    ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1),
  ]
  /// A hundred years: what is longer is a slip of the hand.
  private static let longest: Int64 = 36_500 * 86_400

  /// Whole seconds; parts go from the larger unit to the smaller, each at most once.
  /// - Throws: `Failure` with exit code 2 and the accepted form: empty, signs, spaces, fractions,
  ///   other digits, a unit twice or out of order, more than a hundred years, 0 unless allowed.
  package static func seconds(_ text: String, allowingZero: Bool = false) throws(Failure) -> Int64 {
    guard let total = total(text) else { throw wrong(text, form) }
    guard total > 0 || allowingZero else { throw wrong(text, "more than 0: \(form)") }
    guard total <= longest else { throw wrong(text, "at most 36500d: \(form)") }
    return total
  }

  /// Nil if it has another form; more than `longest` if it is too much.
  private static func total(_ text: String) -> Int64? {
    var total: Int64 = 0
    var digits = ""
    var remaining = units[...]
    var hasUnit = false
    for character in text {
      if character.isASCII, character.isNumber {
        digits.append(character)
        continue
      }
      guard !digits.isEmpty, let place = remaining.firstIndex(where: { $0.letter == character })
      else { return nil }
      total = add(total, digits, units[place].seconds)
      remaining = units[(place + 1)...]
      digits = ""
      hasUnit = true
    }
    if hasUnit { return digits.isEmpty ? total : nil }
    return digits.isEmpty ? nil : add(0, digits, 1)
  }

  private static func add(_ total: Int64, _ digits: String, _ unit: Int64) -> Int64 {
    guard let number = Int64(digits), number <= longest, total <= longest else {
      return longest + 1
    }
    return total + number * unit
  }

  private static func wrong(_ text: String, _ expected: String) -> Failure {
    Failure("\"\(text)\" is not a duration; expected \(expected)", exitCode: 2)
  }
}
