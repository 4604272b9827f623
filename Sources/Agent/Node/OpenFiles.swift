#if canImport(Glibc)
  import Glibc
#endif

/// The process's limit of open files. Service managers start programs with 1,024 of them, for those
/// that use `select`; a control plane has one for each follower, and a proxy two for each client.
enum OpenFiles {
  /// Raises it to what the system allows, and returns it.
  @discardableResult
  static func raiseLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    if limit.rlim_cur < limit.rlim_max {
      var most = limit
      most.rlim_cur = min(limit.rlim_max, 1 << 20)
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &most) == 0 { limit = most }
    }
    return Int(clamping: limit.rlim_cur)
  }
}
