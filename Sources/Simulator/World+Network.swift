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
    if networkDice.chance(perMillion: options.corruptionRate) {
      return corrupt(delivery.frame, from: node, to: nodes[to])
    }
    let bytes = options.encodes ? delivery.frame.encoded() : nil
    let parcel = Parcel(
      from: node.id, boot: node.boot, frame: altered(delivery.frame), bytes: bytes,
      epoch: network.epoch(node.index, to))
    dispatch(parcel, from: node.index, to: to)
    if networkDice.chance(perMillion: options.duplicationRate) {
      dispatch(parcel, from: node.index, to: to)
    }
  }

  private func dispatch(_ parcel: Parcel, from: Int, to: Int) {
    var delay = networkDice.between(options.delay.lowerBound, options.delay.upperBound)
    if networkDice.chance(perMillion: options.stragglerRate) {
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
    guard isOpen(parcel, at: node, from: nodes[from]) else { return }
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

  /// The first thing that a peer says on a new link is what it remembers of this node: nothing else
  /// of it is heard before, and nothing of an earlier start any more.
  private func isOpen(
    _ parcel: Parcel, at node: SimulatedNode, from peer: SimulatedNode
  ) -> Bool {
    let opened = node.opened[peer.index] ?? 0
    if opened == parcel.boot { return true }
    guard parcel.boot > opened else { return false }
    if case .recollection = parcel.frame {
      node.opened[peer.index] = parcel.boot
      return true
    }
    guard peer.isUp, peer.boot == parcel.boot else { return false }
    // What it told was lost: the link is made anew.
    post(.greeted(node.id, node.greeting), to: peer)
    return false
  }

  /// Bits are flipped on the way. The link's own checks find that and break it; and should they
  /// not, whoever decodes it must stand.
  private func corrupt(_ frame: Frame, from node: SimulatedNode, to peer: SimulatedNode) {
    statistics.corrupted += 1
    var bytes = frame.encoded()
    if networkDice.chance(percent: 20) { bytes.removeLast(networkDice.below(bytes.count + 1)) }
    for _ in 0...networkDice.below(3) where !bytes.isEmpty {
      bytes[networkDice.below(bytes.count)] ^= UInt8(1 << networkDice.below(8))
    }
    let isReadable = (try? Frame(decoding: bytes)) != nil
    note(9, UInt64(node.index), UInt64(peer.index), isReadable ? 1 : 0) {
      "a frame from \(node.name) to \(peer.name) is corrupted"
    }
    reset(node, peer)
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
