// Times as people and programs write them. UTC only; the proleptic Gregorian calendar by integer
// arithmetic (Hinnant, "chrono-compatible low-level date algorithms"), without a C library.

extension Timestamp {
  /// `2026-10-24T03:12:00Z`; the fraction of a second is cut off.
  package var rfc3339: String { dateAndTime + "Z" }

  /// `2026-10-24T03:12:00.250Z`.
  package var rfc3339Milliseconds: String {
    dateAndTime + "." + padded(floorModulo(milliseconds, 1000), 3) + "Z"
  }

  private var dateAndTime: String {
    let seconds = floorDivide(milliseconds, 1000)
    let days = floorDivide(seconds, 86_400)
    let clock = floorModulo(seconds, 86_400)
    let (year, month, day) = civil(fromDays: days)
    let date =
      (year < 0 ? "-" : "") + padded(abs(year), 4) + "-" + padded(month, 2) + "-"
      + padded(day, 2)
    return date + "T" + padded(clock / 3600, 2) + ":" + padded(clock / 60 % 60, 2) + ":"
      + padded(clock % 60, 2)
  }
}

/// Year, month and day of a day counted from 1970-01-01.
private func civil(fromDays days: Int64) -> (Int64, Int64, Int64) {
  let shifted = days + 719_468
  let era = floorDivide(shifted, 146_097)
  let dayOfEra = shifted - era * 146_097
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let monthFromMarch = (5 * dayOfYear + 2) / 153
  let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
}

private func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
  a >= 0 ? a / b : (a + 1) / b - 1
}

private func floorModulo(_ a: Int64, _ b: Int64) -> Int64 { a - floorDivide(a, b) * b }

private func padded(_ value: Int64, _ width: Int) -> String {
  let text = String(value)
  return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
}
