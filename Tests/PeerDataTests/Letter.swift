import Raft

/// Something on its way to a node: from another node, or from its own storage, as etcd-io/raft does
/// it when storage is asynchronous.
struct Letter {
  enum Content {
    case message(Message)
    /// A piece of an append job's ack; the snapshot is only for showing it.
    case appended(AppendAck, Snapshot?)
    case applied([Entry])
  }

  var to: PeerID
  var content: Content

  init(_ message: Message) {
    to = message.to
    content = .message(message)
  }

  init(to: PeerID, _ content: Content) {
    self.to = to
    self.content = content
  }

  /// A message as the node's peers know it: who hands over is not told, only to whom.
  private static func sender(_ message: Message) -> PeerID {
    if case .transferLeader(let target) = message.body { target } else { message.from }
  }

  /// Local letters are never lost.
  var isLocal: Bool {
    if case .message(let message) = content { Self.sender(message) == to } else { true }
  }

  var kind: String {
    switch content {
    case .message(let message): Renderer.kind(message)
    case .appended(let ack, _): ack.toSelf.first.map(Renderer.kind) ?? "MsgStorageAppendResp"
    case .applied: "MsgStorageApplyResp"
    }
  }

  /// All letters that an append job releases, in order.
  static func replies(of job: AppendJob, to id: PeerID) -> [Letter] {
    var letters = job.released.map(Letter.init)
    for piece in job.ack.pieces {
      let letter = Letter(to: id, .appended(piece, job.snapshot))
      letters.insert(letter, at: min(piece.positions.first ?? letters.count, letters.count))
    }
    return letters
  }
}
