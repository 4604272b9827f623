import Testing

@testable import Agent

@Suite("What the doctor reads under /proc")
struct DoctorProcessesTests {
  @Test("The holder of a lock is found by the inode of its file")
  func locks() {
    let text = """
      1: POSIX  ADVISORY  WRITE 11 08:01:77 0 EOF
      2: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
      2: -> FLOCK  ADVISORY  WRITE 4712 fe:00:1234 0 EOF
      """
    #expect(DoctorProcesses.holder(ofInode: 1234, in: text) == 4711)
    #expect(DoctorProcesses.holder(ofInode: 77, in: text) == nil)
    #expect(DoctorProcesses.holder(ofInode: 34, in: text) == nil)
  }

  @Test("Listening sockets are read with their addresses, connections are not")
  func sockets() {
    let text = """
      sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode
       0: 010F007F:61A8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0
       1: 010F007F:61A8 0100007F:CC78 01 00000000:00000000 00:00000000 00000000 0 0 78 1 0
      """
    let found = DoctorProcesses.parse(text)
    #expect(found.map(\.inode) == ["77"])
    #expect(found.map(\.listener) == [.init(host: "127.0.15.1", port: 25000)])
    let six = { (address: String) in
      DoctorProcesses.parse("sl\n 0: \(address):61A8 0:0 0A 0:0 0:0 0 0 0 79 1 0").first?.listener
        .host
    }
    #expect(six("00000000000000000000000000000000") == "::")
    #expect(six("00000000000000000000000001000000") == "::1")
    #expect(six("0000000000000000FFFF0000010F007F") == "127.0.15.1")
    #expect(six("B80D01200000000000000000") == nil)
  }

  @Test("Limits, units and mounts are read as the kernel prints them")
  func texts() {
    let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   524288   files\n"
    #expect(DoctorProcesses.descriptors(inLimits: limits) == 1024)
    #expect(
      DoctorProcesses.unit(inCgroup: "0::/system.slice/muster.service\n") == "muster.service")
    #expect(
      DoctorProcesses.unit(inCgroup: "0::/user.slice/user@0.service/app.slice/a.scope\n") == nil)
    let mounts = """
      /dev/sda1 / ext4 rw 0 0
      tmpfs /tmp tmpfs rw 0 0
      host:/x /tmp/a\\040b nfs4 rw 0 0
      """
    #expect(DoctorFiles.type(of: "/tmpx", mounts: mounts) == "ext4")
    #expect(DoctorFiles.type(of: "/tmp/n1", mounts: mounts) == "tmpfs")
    #expect(DoctorFiles.type(of: "/tmp/a b/n1", mounts: mounts) == "nfs4")
  }
}
