// Text from outside on its way to a terminal or into the log: control characters of either set (C0
// and C1) could move the cursor, hide what follows or forge a line.

/// Free of control characters.
package func isPrintable(_ text: String) -> Bool { text.unicodeScalars.allSatisfy(isPrintable) }

/// In double quotes, with control characters, quotes and backslashes escaped.
package func quoted(_ text: some CustomStringConvertible) -> String {
  var out = "\""
  for scalar in text.description.unicodeScalars {
    if scalar == "\"" || scalar == "\\" {
      out += "\\\(scalar)"
    } else if isPrintable(scalar) {
      out.unicodeScalars.append(scalar)
    } else {
      out += "\\u" + hex(UInt64(scalar.value)).suffix(4)
    }
  }
  return out + "\""
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
  scalar.value >= 32 && !(0x7f...0x9f).contains(scalar.value)
}
