// Frames between nodes: what may become of one.

import Membership
import Raft
import Replication
import Schema

extension World {
  /// - Parameter judged: That it may leave was checked before.
  func send(
    _ delivery: ReplicaEffects.Delivery, from node: SimulatedNode, judged: Bool = false
  ) throws(Violation) {
    if !judged, case .raft(let message) = delivery.frame { try laws.sent(message, by: node) }
    guard let to = indexes[delivery.to] else { return }
    statistics.frames += 1
    if network.isCut(node.index, to) || networkDice.chance(perMillion: options.lossRate) { return }
    let bytes = options.encodes ? delivery.frame.encoded() : nil
    let parcel = Parcel(
      from: node.id, frame: altered(delivery.frame), bytes: bytes,
      epoch: network.epoch(node.index, to))
    dispatch(parcel, from: node.index, to: to)
    if networkDice.chance(perMillion: options.duplicationRate) {
      dispatch(parcel, from: node.index, to: to)
    }
  }

  private func dispatch(_ parcel: Parcel, from: Int, to: Int) {
    var delay = networkDice.between(options.delay.lowerBound, options.delay.upperBound)
    if networkDice.chance(perMillion: 1_000) {
      delay += networkDice.spread(millisecond, 3 * second)
    }
    let time = network.arrival(from, to, at: now + delay, inOrder: !options.reorders)
    queue.push(.arrival(to, parcel), at: time)
  }

  func arrive(_ parcel: Parcel, at node: SimulatedNode) throws(Violation) {
    guard let from = indexes[parcel.from] else { return }
    if network.isCut(from, node.index) { return }
    if !options.reorders, parcel.epoch != network.epoch(from, node.index) { return }
    guard node.isUp else {
      // Nobody listens there: who sent it sees its connection refused.
      if networkDice.chance(percent: 20), nodes[from].isUp {
        post(.linkClosed(node.id), to: nodes[from])
      }
      return
    }
    var frame = parcel.frame
    if let bytes = parcel.bytes, !options.altersFrames {
      do throws(Malformed) {
        frame = try Frame(decoding: bytes)
      } catch {
        throw Violation(.codec, "\(parcel.frame) is malformed: \(error)")
      }
      if frame != parcel.frame {
        throw Violation(.codec, "\(parcel.frame) became \(frame)")
      }
    }
    post(.frame(from: parcel.from, frame), to: node)
  }

  /// A connection is reset: what is on its way is lost, and both ends learn of it.
  func reset(_ a: SimulatedNode, _ b: SimulatedNode) {
    network.close(a.index, b.index)
    for (node, peer) in [(a, b), (b, a)] where node.isUp {
      schedule(
        .linkClosed(at: node.index, boot: node.boot, peer: peer.index),
        after: networkDice.between(50 * microsecond, 20 * millisecond))
    }
  }

  /// What a network with a planted fault makes of a frame.
  private func altered(_ frame: Frame) -> Frame {
    if options.plant == .turnsVotes, case .raft(var message) = frame,
      case .voteResponse(let response) = message.body, response.rejected
    {
      message.body = .voteResponse(.init(isPreVote: response.isPreVote))
      return .raft(message)
    }
    guard options.plant == .altersEntries, networkDice.chance(percent: 2),
      case .raft(var message) = frame, case .append(var append) = message.body,
      let entry = append.entries.first, var envelope = try? Envelope(decoding: entry.payload)
    else { return frame }
    envelope.time = envelope.time.adding(seconds: 1)
    append.entries[0].payload = envelope.encoded()
    message.body = .append(append)
    return .raft(message)
  }
}
