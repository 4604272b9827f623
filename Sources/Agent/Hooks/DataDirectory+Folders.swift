// Whole folders: put in another's place at once, and removed with all that is in them.

import CLinux
import FoundationEssentials
import Transport

#if canImport(Glibc)
  import Glibc
#endif

extension DataDirectory {
  /// Puts a complete folder in another's place at once; what was there has its name then.
  package func replace(_ folder: String, by new: String) throws(Failure) {
    guard exists(folder) else { return try move(new, to: folder) }
    if clinux_exchange(new, folder) == 0 { return try syncFolder(Self.parent(of: folder)) }
    guard errno == EINVAL || errno == ENOSYS else { throw .system("replace", folder) }
    // Not every file system can: then there is a moment without it, and whoever crashes in it
    // begins again.
    let old = folder + ".old"
    try removeTree(old)
    try move(folder, to: old)
    try move(new, to: folder)
    try move(old, to: new)
  }

  /// Removes a folder and all that is in it, if it is there; links are removed, not followed.
  package func removeTree(_ folder: String) throws(Failure) {
    guard let info = FileStatus(folder) else { return }
    guard info.kind == .folder else { return try remove(folder) }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      throw Failure("cannot read folder \(folder): \(error)")
    }
    for name in names { try removeTree("\(folder)/\(name)") }
    try removeEmptyFolder(folder)
  }
}
