// The log as the core sees it: what is on the disk, and what is on its way there.

/// The log of one node: a window of recent entries in memory, and the durable log behind it.
///
///     first            windowStart        unstableFrom      handedOut          last
///     | durable, on disk | durable, here too | being written    | not yet handed out |
///
/// Entries from `unstableFrom` on are known to be nowhere but here, so they stay. Entries below are
/// kept while they fit, so that appending, sending and applying do not read the disk; older ones
/// are read through `StableLog`. Laws: applied ≤ applying ≤ committed ≤ last, and committed never
/// falls.
struct LogView: Sendable {
  private let stable: any StableLog
  private(set) var committed: Index
  private(set) var applied: Index
  /// The last index handed out to be applied.
  private(set) var applying: Index

  private var window: [Entry] = []
  private var windowStart: Index
  private var windowBytes = 0
  private(set) var unstableFrom: Index
  private var handedOut: Index
  /// A snapshot that is to replace the whole durable log.
  private(set) var pendingSnapshot: Snapshot?
  private var snapshotHandedOut = false

  /// What was handed out to be applied, batch by batch, until it is.
  private struct Batch: Sendable {
    var last: Index
    var size: Int
    var payload: Int
  }
  private var batches: [Batch] = []
  private let maxApplyingSize: Int
  private var applyingSize = 0
  private var applyingPaused = false

  private static let windowMaxBytes = 1 << 20
  private static let windowMaxEntries = 4096

  init(stable: any StableLog, commit: Index, applied: Index, maxApplyingSize: Int) {
    self.stable = stable
    let start = stable.lastIndex + 1
    windowStart = start
    unstableFrom = start
    handedOut = start
    let before = max(stable.firstIndex, 1) - 1
    self.applied = max(before, applied)
    applying = self.applied
    committed = max(commit, self.applied)
    self.maxApplyingSize = max(1, maxApplyingSize)
  }

  /// What is held in memory: entries, and bytes of their payload.
  var memory: (entries: Int, bytes: Int) { (window.count, windowBytes) }

  // MARK: Reading

  var firstIndex: Index { pendingSnapshot.map { $0.index + 1 } ?? stable.firstIndex }
  var lastIndex: Index { windowStart + Index(window.count) - 1 }
  var lastTerm: Term { window.last?.term ?? term(at: lastIndex) ?? 0 }

  /// The term of the entry at `index`, also just before the first one; nil if it is not known.
  func term(at index: Index) -> Term? {
    guard index <= lastIndex else { return nil }
    if index >= unstableFrom { return window[Int(index - windowStart)].term }
    guard index + 1 >= firstIndex else { return nil }
    if index >= windowStart { return window[Int(index - windowStart)].term }
    if let snapshot = pendingSnapshot, snapshot.index == index { return snapshot.term }
    return stable.term(at: index)
  }

  func matches(_ index: Index, _ term: Term) -> Bool { self.term(at: index) == term }

  /// Whether a log that ends in (`index`, `term`) has at least what this one has (Raft paper
  /// §5.4.1).
  func isUpToDate(index: Index, term: Term) -> Bool {
    let own = lastTerm
    return term > own || (term == own && index >= lastIndex)
  }

  /// The highest index at or below `index` whose term is not above `term`, and that term; 0 for a
  /// term that is not known any more (it may match).
  func lastMatch(notAfter index: Index, term: Term) -> (index: Index, term: Term) {
    var index = index
    while index > 0 {
      guard let own = self.term(at: index) else { return (index, 0) }
      if own <= term { return (index, own) }
      index -= 1
    }
    return (0, 0)
  }

  /// Entries from `start` on, below `end`: at least one if there is one, then as many as fit into
  /// `maxSize`. Nil if the first one is gone.
  func entries(from start: Index, to end: Index = .max, maxSize: Int) -> [Entry]? {
    let end = min(end, lastIndex + 1)
    guard start < end else { return [] }
    guard start >= firstIndex else { return nil }
    if start >= windowStart { return inWindow(from: start, to: end, maxSize: maxSize) }
    let middle = min(end, windowStart)
    guard var result = stable.entries(from: start, to: middle, maxBytes: maxSize),
      !result.isEmpty
    else { return nil }
    let kept = result.prefixThatFits(maxSize)
    result.removeLast(result.count - kept.count)
    if Index(result.count) == middle - start, end > middle, kept.size < maxSize {
      let rest = inWindow(from: middle, to: end, maxSize: maxSize - kept.size)
      let more = rest.prefixThatFits(maxSize - kept.size, atLeastOne: false).count
      result.append(contentsOf: rest[..<more])
    }
    return result
  }

  private func inWindow(from start: Index, to end: Index, maxSize: Int) -> [Entry] {
    let slice = window[Int(start - windowStart)..<Int(end - windowStart)]
    return Array(slice.prefix(slice.prefixThatFits(maxSize).count))
  }

  func snapshot() -> Snapshot? { pendingSnapshot ?? stable.snapshot() }

  // MARK: Writing

  /// A leader's own entries; index and term are filled in here.
  mutating func append(_ entries: [Entry], term: Term) {
    var index = lastIndex
    for var entry in entries {
      index += 1
      entry.index = index
      entry.term = term
      windowBytes += entry.payload.count
      window.append(entry)
    }
  }

  /// A leader's entries on a follower: they replace whatever stood there and behind.
  mutating func replace(from entries: ArraySlice<Entry>) {
    guard let start = entries.first?.index else { return }
    if start <= windowStart {
      window = []
      windowBytes = 0
      windowStart = start
    } else {
      let kept = Int(start - windowStart)
      for entry in window[kept...] { windowBytes -= entry.payload.count }
      window.removeLast(window.count - kept)
    }
    unstableFrom = min(unstableFrom, start)
    handedOut = min(handedOut, start)
    for entry in entries { windowBytes += entry.payload.count }
    window.append(contentsOf: entries)
  }

  /// The first of `entries` that is not here already; nil if all are.
  func firstNew(in entries: [Entry]) -> Index? {
    for entry in entries where !matches(entry.index, entry.term) { return entry.index }
    return nil
  }

  /// Raises the commit index; false if it lies beyond the log.
  mutating func commit(to index: Index) -> Bool {
    guard index > committed else { return true }
    guard index <= lastIndex else { return false }
    committed = index
    return true
  }

  /// A snapshot takes the place of the whole log.
  mutating func restore(_ snapshot: Snapshot) {
    window = []
    windowBytes = 0
    windowStart = snapshot.index + 1
    unstableFrom = windowStart
    handedOut = windowStart
    committed = snapshot.index
    pendingSnapshot = snapshot
    snapshotHandedOut = false
  }

  // MARK: Durability

  /// Whether anything is not known to be durable.
  var hasUnstable: Bool { unstableFrom <= lastIndex }
  var hasUnstableToHandOut: Bool { handedOut <= lastIndex }
  var snapshotToHandOut: Snapshot? { snapshotHandedOut ? nil : pendingSnapshot }

  /// The entries to write now. They count as being written from here on.
  mutating func handOutUnstable() -> [Entry] {
    snapshotHandedOut = pendingSnapshot != nil
    guard hasUnstableToHandOut else { return [] }
    let entries = Array(window[Int(handedOut - windowStart)...])
    handedOut = lastIndex + 1
    return entries
  }

  /// Everything up to (`index`, `term`) is durable. Says nothing if that entry was replaced.
  mutating func becameStable(index: Index, term: Term) {
    guard index >= unstableFrom, index <= lastIndex,
      window[Int(index - windowStart)].term == term
    else { return }
    unstableFrom = index + 1
    handedOut = max(handedOut, unstableFrom)
    trim()
  }

  mutating func becameStable(snapshot index: Index) {
    if pendingSnapshot?.index == index {
      pendingSnapshot = nil
      snapshotHandedOut = false
    }
  }

  /// Forgets the oldest durable entries once the window is too large; down to half, so that the
  /// cost of moving the rest is paid seldom.
  private mutating func trim() {
    guard window.count > Self.windowMaxEntries || windowBytes > Self.windowMaxBytes else { return }
    let droppable = Int(unstableFrom - windowStart)
    var dropped = 0
    while dropped < droppable,
      window.count - dropped > Self.windowMaxEntries / 2
        || windowBytes > Self.windowMaxBytes / 2
    {
      windowBytes -= window[dropped].payload.count
      dropped += 1
    }
    window.removeFirst(dropped)
    windowStart += Index(dropped)
  }

  // MARK: Applying

  private func lastAppliable(onlyStable: Bool) -> Index {
    onlyStable ? min(committed, unstableFrom - 1) : committed
  }

  func hasCommittedToHandOut(onlyStable: Bool) -> Bool {
    !applyingPaused && pendingSnapshot == nil && applying < lastAppliable(onlyStable: onlyStable)
  }

  /// The committed entries to apply now; nil if the log cannot read what it must have.
  mutating func handOutCommitted(onlyStable: Bool) -> [Entry]? {
    guard hasCommittedToHandOut(onlyStable: onlyStable) else { return [] }
    let end = lastAppliable(onlyStable: onlyStable)
    guard
      let entries = entries(
        from: applying + 1, to: end + 1, maxSize: maxApplyingSize - applyingSize),
      let last = entries.last?.index
    else { return nil }
    var batch = Batch(last: last, size: 0, payload: 0)
    for entry in entries {
      batch.size = batch.size.addingSaturated(entry.size)
      batch.payload = batch.payload.addingSaturated(entry.payload.count)
    }
    batches.append(batch)
    applying = last
    applyingSize = applyingSize.addingSaturated(batch.size)
    applyingPaused = applyingSize >= maxApplyingSize || last < end
    return entries
  }

  /// The host applied everything up to `index`. Returns the bytes of payload of all batches that
  /// are done; nil if that index was never committed.
  mutating func applied(to index: Index) -> Int? {
    guard index <= committed else { return nil }
    guard index > applied else { return 0 }
    applied = index
    applying = max(applying, index)
    var done = 0
    var payload = 0
    while done < batches.count, batches[done].last <= index {
      applyingSize -= batches[done].size
      payload += batches[done].payload
      done += 1
    }
    batches.removeFirst(done)
    applyingPaused = applyingSize >= maxApplyingSize
    return payload
  }
}

extension Entry {
  /// What an entry counts against limits of messages and batches: an empty one counts too.
  var size: Int { payload.count + 16 }
}

extension Collection<Entry> {
  var payloadBytes: Int { reduce(0) { $0.addingSaturated($1.payload.count) } }

  /// How many entries from the first on fit into `maxSize`, and their size.
  func prefixThatFits(_ maxSize: Int, atLeastOne: Bool = true) -> (count: Int, size: Int) {
    var count = 0
    var size = 0
    for entry in self {
      let sum = size.addingSaturated(entry.size)
      if sum > maxSize, count > 0 || !atLeastOne { break }
      size = sum
      count += 1
    }
    return (count, size)
  }
}
