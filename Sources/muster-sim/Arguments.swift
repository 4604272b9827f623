import Simulator

/// What was asked for on the command line.
struct Arguments {
  /// One past the last seed; nil to go on for ever.
  var end: UInt64?
  var first: UInt64 = 1
  /// Simulated nanoseconds of faults and requests.
  var duration = 30 * second
  /// Real seconds after which no other seed is begun.
  var budget: Double?
  var trace = false
  var digests = false
  var shrinks = false
  var shape: String?
  var plant: Plant?
  var without: [Feature] = []
  /// Out of a hundred worlds, so many heal without a minority at first.
  var absence: UInt64?
  var nodes: Int?
  var workers: Int?
  var requests: Int?

  init(_ words: [String]) {
    end = first + 100
    var words = words[...]
    while let word = words.popFirst() { take(word, &words) }
  }

  private mutating func take(_ word: String, _ words: inout ArraySlice<String>) {
    func value() -> String { words.popFirst() ?? "" }
    func number(_ range: ClosedRange<UInt64>) -> UInt64 {
      guard let number = UInt64(value()), range.contains(number) else {
        usage("\(word) needs a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }
    switch word {
    case "--help", "-h": usage(nil)
    case "--trace": trace = true
    case "--digests": digests = true
    case "--shrink": shrinks = true
    case "--violent": shape = word
    case "--seed":
      first = number(0...(.max - 1))
      end = first + 1
    case "--seeds": takeSeeds(value())
    case "--seconds": duration = number(1...100_000) * second
    case "--millis": duration = number(1...100_000_000) * millisecond
    case "--minutes": budget = Double(number(1...100_000)) * 60
    case "--absence": absence = number(0...100)
    case "--nodes": nodes = Int(number(1...32))
    case "--workers": workers = Int(number(0...1_000))
    case "--requests": requests = Int(number(0...1_000_000))
    case "--without": without += features(value())
    case "--plant":
      guard let plant = Plant(rawValue: value()) else {
        usage("--plant needs one of \(Plant.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      self.plant = plant
    default: usage("what is \(word)?")
    }
  }

  /// "A..B", both included, or "A.." for ever.
  private mutating func takeSeeds(_ text: String) {
    let ends = text.split(separator: ".").map { UInt64($0) }
    guard text.contains(".."), let low = ends.first, let low, low < .max else {
      usage("--seeds needs A..B or A..")
    }
    first = low
    end = nil
    guard ends.count > 1 else { return }
    guard ends.count == 2, let high = ends[1], high >= low, high < .max else {
      usage("--seeds needs A..B or A..")
    }
    end = high + 1
  }

  private func features(_ names: String) -> [Feature] {
    names.split(separator: ",").map { name in
      guard let feature = Feature.allCases.first(where: { $0.name == name }) else {
        usage("--without knows \(Feature.allCases.map(\.name).joined(separator: ", "))")
      }
      return feature
    }
  }

  /// The options of that seed, as they are drawn.
  func drawn(_ seed: UInt64) -> WorldOptions {
    var options =
      shape == nil
      ? WorldOptions.drawn(seed: seed, duration: duration)
      : WorldOptions.violent(seed: seed, duration: duration)
    options.plant = plant
    if let absence { options.absenceShare = absence }
    return options
  }

  /// The options of that seed, with what the command line changes.
  func options(_ seed: UInt64) -> WorldOptions {
    var options = drawn(seed)
    for feature in without { options.remove(feature) }
    if let nodes { options.controlPlane = nodes }
    if let workers { options.workers = workers }
    if let requests { options.requestLimit = requests }
    return options
  }
}
