// The log and its disk.

import Membership
import Projections

extension DoctorCheck {
  static let log = [
    DoctorCheck("LOG-01", "log") { facts in
      if let unseen = facts.unseen { return unseen }
      switch facts.log {
      case .value(let log): return .pass("\(log.last) events, whole and in order")
      case .absent where facts.isControlPlane:
        return .fail(
          "\(facts.directory)/log is missing: this node has forgotten everything; restore it, or"
            + " remove the node from its cluster and start with an empty data dir",
          fix: "ls -la \(facts.directory)")
      case .absent: return .skip("a worker keeps no log")
      case .broken where facts.stranger != nil:
        return .fail("another node's, see LOG-02", fix: "ls -la \(facts.directory)/log")
      case .broken(let why):
        return .fail("damaged: \(why)", fix: facts.stopped("repair"))
      case .hidden(let why): return .skip(why)
      }
    },
    DoctorCheck("LOG-02", "whose log it is") { facts in
      if let unseen = facts.unseen { return unseen }
      if let stranger = facts.stranger {
        return .fail(
          "\(stranger); put this node's own in its place, from the archive or from a backup",
          fix: "ls -la \(facts.directory) \(facts.directory)/archive")
      }
      guard facts.log.value != nil, facts.node.value != nil else {
        return .skip("there is no log, or no node")
      }
      return .pass("of this node and its cluster")
    },
    DoctorCheck("LOG-03", "what the log should hold") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let log = facts.log.value else { return .skip("there is no log") }
      if log.lost > log.last {
        return .warn(
          "it ends at \(log.last), and this node had acknowledged \(log.lost), as after putting"
            + " back an old copy; it gets the rest from the others and does not vote until then",
          fix: facts.start)
      }
      if let since = facts.member?.lostSince {
        return .warn(
          "the cluster knows since \(since.rfc3339) that this node lacks what it had acknowledged",
          fix: facts.muster("health --wait"))
      }
      let ahead = facts.peers.compactMap { peer in peer.applied.map { (peer.name, $0) } }
        .max { $0.1 < $1.1 }
      if let (name, applied) = ahead, applied > log.last + Health.lag {
        return .warn(
          "\(name) has applied \(applied), the log here ends at \(log.last)",
          fix: facts.agent == nil ? facts.start : facts.muster("health --wait"))
      }
      return .pass(ahead == nil ? "nothing is known to be missing" : "as far as the others'")
    },
    DoctorCheck("LOG-04", "room for the log") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let log = facts.log.value else { return .skip("there is no log") }
      let percent = Int(log.fill * 100)
      let finding =
        "\(log.used >> 20) MiB used, \(log.fileSize >> 20) MiB in the file, of a map of"
        + " \(log.mapSize >> 30) GiB: \(percent) % of what it can use"
      return percent < 80 ? .pass(finding) : .warn(finding, fix: "df -h \(facts.directory)")
    },
    DoctorCheck("LOG-05", "file system") { facts in
      guard let system = facts.filesystem else { return .skip("there is no data dir") }
      let fix = "df -T \(facts.directory)"
      switch system.type {
      case "nfs", "nfs4", "cifs", "smb3", "9p", "ceph",
        _ where system.type.hasPrefix("fuse."):
        return .fail(
          "\(system.type): a log on a network or user-space file system can be lost or mapped"
            + " wrong; use a local disk", fix: fix)
      case "tmpfs", "ramfs":
        return .warn(
          "\(system.type): everything here is gone after a restart of the machine", fix: fix)
      default: return .pass(system.type)
      }
    },
  ]

  static let disk = [
    DoctorCheck("DISK-01", "free space") { facts in
      guard let system = facts.filesystem else { return .skip("there is no data dir") }
      let finding = "\(system.free >> 20) MiB free of \(system.total >> 20) MiB"
      let fix = "df -h \(facts.directory); du -xh \(facts.directory) | sort -h | tail"
      if system.free < 64 << 20 {
        return .fail("\(finding): events are refused where the disk is full", fix: fix)
      }
      return system.free < 1 << 30 ? .warn(finding, fix: fix) : .pass(finding)
    },
    DoctorCheck("DISK-02", "inodes") { facts in
      guard let system = facts.filesystem else { return .skip("there is no data dir") }
      guard system.totalInodes > 0 else { return .pass("\(system.type) does not count them") }
      let finding = "\(system.freeInodes) free of \(system.totalInodes)"
      let fix = "df -i \(facts.directory)"
      if system.freeInodes < 100 { return .fail(finding, fix: fix) }
      return system.freeInodes < 10_000 ? .warn(finding, fix: fix) : .pass(finding)
    },
    DoctorCheck("DISK-03", "mounted for writing") { facts in
      guard let system = facts.filesystem else { return .skip("there is no data dir") }
      return system.isReadOnly
        ? .fail(
          "read-only, as a kernel mounts a disk that fails: dmesg | tail tells",
          fix: "mount -o remount,rw \"$(df --output=target \(facts.directory) | tail -1)\"")
        : .pass("yes")
    },
  ]
}
