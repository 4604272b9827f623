import EventLog
import Membership

extension DataDirectory {
  /// Says whose log lies in this node's place, if it is not this node's; nil also where that cannot
  /// be told.
  func stranger(_ file: NodeFile) -> String? {
    guard let found = try? EventLog.identity(of: log) else { return nil }
    let (cluster, node) = (ClusterID(found.cluster), NodeID(found.node))
    guard cluster != file.clusterID || node != file.nodeID else { return nil }
    return "the log in \(log) is that of node \(node) of cluster \(cluster), this is node "
      + "\(file.node) of cluster \(file.cluster)"
  }
}
