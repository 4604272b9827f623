// Writes a log under load, and says on standard output what it asks and what was answered, so that
// whoever ends it under way knows what must be there.
//
//     log-load DIRECTORY SEED WRITES
//
// With WRITES 0 it goes on until it is killed. Lines, each whole:
//
//     o BOOT FINDINGS                       the log is open; FINDINGS counts those of a log behind
//     s N INDEX HASH TERM VOTE COMMIT       write N is submitted; after it the log ends so, and at
//                                           least COMMIT is durably committed
//     a N                                   write N is acknowledged
//     f N KIND                              write N failed; after diskFull it is submitted again
//
// After a fault that is final it ends with 74, as a service does.

import EventLog
import Foundation
import Raft
import Synchronization

func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  guard write(STDOUT_FILENO, bytes, bytes.count) == bytes.count else { exit(1) }
}

let arguments = CommandLine.arguments
guard arguments.count == 4, let seed = UInt64(arguments[2]), let limit = Int(arguments[3]) else {
  print("usage: log-load DIRECTORY SEED WRITES")
  exit(2)
}

let log: EventLog
do throws(Fault) {
  log = try EventLog.open(directory: arguments[1], mode: .readWrite)
} catch {
  say("f 0 \(error.kind.rawValue)")
  exit(74)
}
say("o \(log.bootNumber) \(log.findings.count { $0.isLogBehind })")

/// Answers that are still to come, and writes that a full disk refused.
struct Outstanding {
  var count = 0
  var refused: [(Int, LogWrite)] = []
}
let outstanding = Mutex(Outstanding())
let room = DispatchSemaphore(value: 32)

func submit(_ number: Int, _ write: LogWrite) {
  room.wait()
  outstanding.withLock { $0.count += 1 }
  var write = write
  let asked = write
  write.completion = { result in
    switch result {
    case .success: say("a \(number)")
    case .failure(let fault):
      say("f \(number) \(fault.kind.rawValue)")
      guard fault.kind == .diskFull else { _exit(74) }
      outstanding.withLock { $0.refused.append((number, asked)) }
    }
    outstanding.withLock { $0.count -= 1 }
    room.signal()
  }
  log.submit(write)
}

/// Submits again what a full disk refused, in order, once every answer has come.
func resubmitRefused() {
  while true {
    let refused = outstanding.withLock { state -> [(Int, LogWrite)]? in
      guard state.count == 0 else { return nil }
      defer { state.refused = [] }
      return state.refused
    }
    guard let refused else {
      usleep(500)
      continue
    }
    if refused.isEmpty { return }
    log.resume()
    for (number, write) in refused { submit(number, write) }
  }
}

var load = Load(seed: seed, tip: log.tip, hash: try log.chainHash(at: log.lastIndex)!)
var number = 0
while limit == 0 || number < limit {
  number += 1
  let (write, promised) = load.next()
  let tip = load.tip
  say(
    "s \(number) \(tip.lastIndex) \(load.hash) \(tip.hardState.term) \(tip.hardState.vote) "
      + "\(promised)")
  submit(number, write)
  if outstanding.withLock({ !$0.refused.isEmpty }) { resubmitRefused() }
}
resubmitRefused()
log.close()
