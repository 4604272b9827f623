// What must hold on a stage whatever is played there.

import Raft

/// The laws of consensus, over everything that the players do: the figure 3 of the Raft paper, and
/// what durability asks for. It believes no player's word: what is durable is read from the disks.
struct StageRecord {
  private struct Ballot: Hashable {
    var voter: PeerID
    var term: Term
  }
  private struct Place: Hashable {
    var index: Index
    var term: Term
  }
  private struct Written: Equatable {
    var previous: Term
    var entry: Entry
  }

  /// Everything that was ever committed, by index - 1.
  private(set) var history: [Entry] = []
  /// The term of who knew it first: it was committed in this term or before.
  private var knownIn: [Term] = []
  private var leaders: [Term: PeerID] = [:]
  private var votes: [Ballot: PeerID] = [:]
  private var written: [Place: Written] = [:]

  /// Entries reached a disk.
  mutating func wrote(_ entries: [Entry], _ id: PeerID, _ image: StageDisk.Image) throws(Violation)
  {
    for entry in entries {
      let place = Place(index: entry.index, term: entry.term)
      let new = Written(previous: image.term(at: entry.index - 1) ?? 0, entry: entry)
      let old = written[place] ?? new
      written[place] = new
      if old != new {
        throw Violation(
          .logMatching,
          "\(id) wrote \(entry.text) after term \(new.previous), and another wrote "
            + "\(old.entry.text) after term \(old.previous)")
      }
    }
  }

  /// A message left: what it promises must be on the disk of who sent it.
  mutating func sent(_ message: Message, _ image: StageDisk.Image) throws(Violation) {
    switch message.body {
    case .voteResponse(let response) where !response.isPreVote && !response.rejected:
      let ballot = Ballot(voter: message.from, term: message.term)
      let before = votes[ballot] ?? message.to
      votes[ballot] = message.to
      guard before == message.to else {
        throw Violation(
          .oneVote, "\(message.from) votes for \(before) and \(message.to) in \(message.term)")
      }
      guard
        image.hardState.term > message.term
          || (image.hardState.term == message.term && image.hardState.vote == message.to)
      else {
        throw Violation(.durableWord, "\(message.text), and its disk has \(image.hardState)")
      }
    case .appendResponse(let response) where !response.rejected:
      guard image.lastIndex >= response.index else {
        throw Violation(.durableWord, "\(message.text), and its disk ends at \(image.lastIndex)")
      }
    default: break
    }
  }

  /// Something happened to a player.
  mutating func look(at id: PeerID, _ machine: Machine, before commit: Index) throws(Violation) {
    if machine.role == .leader, leaders[machine.term] != id {
      if let other = leaders[machine.term] {
        throw Violation(.electionSafety, "\(other) and \(id) both lead term \(machine.term)")
      }
      leaders[machine.term] = id
      for (entry, term) in zip(history, knownIn) where term < machine.term {
        guard machine.firstIndex > entry.index || machine.term(at: entry.index) == entry.term else {
          throw Violation(
            .leaderCompleteness, "\(id) leads term \(machine.term) and lacks \(entry.text)")
        }
      }
    }
    guard machine.commitIndex >= commit else {
      throw Violation(.monotony, "\(id) had committed \(commit), now \(machine.commitIndex)")
    }
    guard machine.appliedIndex <= machine.commitIndex, machine.commitIndex <= machine.lastIndex
    else {
      throw Violation(
        .monotony,
        "\(id): applied \(machine.appliedIndex), committed \(machine.commitIndex), "
          + "last \(machine.lastIndex)")
    }
    try compare(id, machine, from: commit)
  }

  /// What a player holds committed is what everybody ever held committed there.
  private mutating func compare(
    _ id: PeerID, _ machine: Machine, from commit: Index
  ) throws(Violation) {
    var index = max(commit + 1, machine.firstIndex)
    while index <= machine.commitIndex {
      // An unreadable disk says nothing, and nothing wrong.
      guard let entry = machine.entries(from: index, to: index + 1)?.first else { return }
      let position = Int(index) - 1
      if position < history.count {
        guard history[position] == entry else {
          throw Violation(
            .oneHistory, "\(id) committed \(entry.text), others \(history[position].text)")
        }
      } else if position == history.count {
        history.append(entry)
        knownIn.append(machine.term)
      }
      index += 1
    }
  }
}
