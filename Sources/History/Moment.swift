// Times as people write them: RFC 3339.

package import Membership

extension Timestamp {
  /// Parses RFC 3339: `2026-10-24T03:12:00Z` or with an offset like `+02:00`, with or without
  /// seconds and a fraction, `T` or a space between. Nil for anything else; what names no time zone
  /// is nobody's moment (`lacksZone`).
  package init?(rfc3339 text: some StringProtocol) {
    var rest = Array(text.utf8)[...]
    func number(_ digits: Int, _ range: ClosedRange<Int64>) -> Int64? {
      guard rest.count >= digits else { return nil }
      var value: Int64 = 0
      for byte in rest.prefix(digits) {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      }
      rest = rest.dropFirst(digits)
      return range.contains(value) ? value : nil
    }
    func take(_ characters: String) -> Bool {
      guard let byte = rest.first, characters.utf8.contains(byte) else { return false }
      rest = rest.dropFirst()
      return true
    }
    guard let year = number(4, 1...9999), take("-"), let month = number(2, 1...12), take("-"),
      let day = number(2, 1...daysIn(month: month, of: year))
    else { return nil }
    var milliseconds = daysSince1970(year, month, day) * 86_400_000
    guard take("Tt "), let hour = number(2, 0...23), take(":"), let minute = number(2, 0...59)
    else { return nil }
    milliseconds += hour * 3_600_000 + minute * 60_000
    if take(":") {
      guard let second = number(2, 0...59) else { return nil }
      milliseconds += second * 1000
      if take(".") {
        let fraction = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !fraction.isEmpty, fraction.count <= 9 else { return nil }
        rest = rest.dropFirst(fraction.count)
        let digits = fraction.prefix(3).map { Int64($0 - UInt8(ascii: "0")) } + [0, 0]
        milliseconds += digits[0] * 100 + digits[1] * 10 + digits[2]
      }
    }
    if !take("Zz") {
      let sign: Int64 = rest.first == UInt8(ascii: "-") ? 1 : -1
      guard take("+-"), let hours = number(2, 0...23), take(":"), let minutes = number(2, 0...59)
      else { return nil }
      milliseconds += sign * (hours * 3_600_000 + minutes * 60_000)
    }
    guard rest.isEmpty else { return nil }
    self.init(milliseconds: milliseconds)
  }

  /// Whether a text is a date, or a date and a time, without a time zone.
  package static func lacksZone(_ text: String) -> Bool {
    Timestamp(rfc3339: text + "Z") != nil || Timestamp(rfc3339: text + "T00:00Z") != nil
  }
}

private func daysIn(month: Int64, of year: Int64) -> Int64 {
  switch month {
  case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
  case 4, 6, 9, 11: 30
  default: 31
  }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar (Hinnant, as `rfc3339` does).
private func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
  let shifted = month <= 2 ? year - 1 : year
  let era = shifted / 400
  let yearOfEra = shifted - era * 400
  let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
