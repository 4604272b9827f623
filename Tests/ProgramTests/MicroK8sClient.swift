// A worker of MicroK8s, as far as the cluster sees it: the requests of `microk8s join HOST/TOKEN/
// CHECK --worker` in their order, over TLS 1.2 without a client certificate, from an address of its
// own; what it prints and how it ends where it is told no.

import Foundation
import Testing

struct MicroK8sClient {
  let name: String
  let address: String
  /// Holds what it got: ca.crt, kubelet.crt and .key, proxy.crt and .key, reply.json.
  let folder: URL

  init(_ name: String, _ stage: Stage) throws {
    self.name = name
    address = Stage.address()
    folder = stage.folder.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private static let program = """
    import hashlib, http.client, json, ssl, subprocess, sys
    own, name, connection, signer, folder = sys.argv[1:6]
    place, token, check = connection.split('/')
    host, port = place.split(':')
    def post(host, path, body, check=None):
        context = ssl._create_unverified_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        server = http.client.HTTPSConnection(
            host, int(port), context=context, source_address=(own, 0), timeout=40)
        server.connect()
        if check:
            seen = hashlib.sha256(server.sock.getpeercert(True)).hexdigest()
            if not seen.startswith(check):
                print('Joining cluster failed. Could not verify the identity of ' + host)
                sys.exit(4)
        headers = {'Content-type': 'application/json', 'Accept': 'application/json'}
        server.request('POST', path, json.dumps(body), headers)
        answer = server.getresponse()
        kind = answer.getheader('Content-Type')
        return answer.status, json.loads(answer.read()), kind
    print('Contacting cluster at ' + host)
    status, reply, kind = post(host, '/cluster/api/v2.0/join', {
        'token': token, 'hostname': name, 'port': '25000',
        'worker': json.loads(sys.argv[6]), 'can_handle_x509_auth': True,
        'can_handle_custom_etcd': True}, check)
    if status != 200:
        print('Connection failed. {} ({}).'.format(reply['error'], status))
        sys.exit(6)
    assert kind.startswith('text/plain'), kind
    if reply['ca_key'] is not None:
        print('Joining process failed.')
        sys.exit(1)
    for field in ['ca', 'kubelet_args', 'hostname_override', 'callback_token', 'apiport']:
        assert isinstance(reply[field], str) and reply[field], field
    assert reply['kubelet_args'].endswith('\\n') and reply['service_account_key'] == ''
    json.dump(reply, open(folder + '/reply.json', 'w'))
    open(folder + '/ca.crt', 'w').write(reply['ca'])
    def certificate(kind, subject, names):
        key, request = folder + '/' + kind + '.key', folder + '/' + kind + '.csr'
        subprocess.check_call(['openssl', 'genrsa', '-out', key, '2048'],
            stderr=subprocess.DEVNULL)
        subprocess.check_call(['openssl', 'req', '-new', '-sha256', '-key', key, '-out', request,
            '-subj', subject] + names)
        status, signed, _ = post(signer, '/cluster/api/v1.0/sign-cert', {
            'token': token + '-' + kind, 'request': open(request).read()})
        if status != 200:
            print('Failed to sign {} certificate ({}). {}'.format(kind, status, signed['error']))
            sys.exit(1)
        open(folder + '/' + kind + '.crt', 'w').write(signed['certificate'])
    certificate('proxy', '/CN=system:kube-proxy', [])
    certificate('kubelet', '/CN=system:node:{}/O=system:nodes'.format(name.lower()), ['-addext',
        'subjectAltName=DNS:{},IP:{},IP:192.0.2.77'.format(name, own)])
    print('Successfully joined the cluster.')
    """

  /// Joins by that string.
  /// - Parameters:
  ///   - signer: the address of the node that signs, where it is not the same.
  ///   - worker: what the client says of its role, as JSON.
  func join(
    _ connection: String, signer: String? = nil, worker: String = "\"as-worker\""
  ) async throws -> Program.Outcome {
    let host = String(connection.prefix { $0 != ":" })
    return try await Tool(
      "python3",
      ["-c", Self.program, address, name, connection, signer ?? host, folder.path, worker], folder
    ).ended()
  }

  /// What curl is told to show one of its certificates.
  func credentials(_ kind: String) -> [String] {
    [
      "--cacert", folder.path + "/ca.crt", "--cert", folder.path + "/\(kind).crt", "--key",
      folder.path + "/\(kind).key",
    ]
  }

  /// One request with that body, by curl.
  /// - Returns: HTTP's code and the body, without its newline.
  func post(
    _ path: String, to node: Node, _ body: String, from: String? = nil, method: String = "POST"
  ) async throws -> (code: Int, body: String) {
    let file = folder.appendingPathComponent(UUID().uuidString)
    try body.write(to: file, atomically: true, encoding: .utf8)
    let outcome = try await Tool(
      "curl",
      [
        "-sk", "-m", "40", "-w", "%{http_code}", "-X", method, "--interface", from ?? address,
        "-H", "Content-type: application/json", "--data-binary", "@" + file.path,
        "https://\(node.address):25000\(path)",
      ], folder
    ).ended()
    let code = try #require(Int(outcome.out.suffix(3)), "\(outcome)")
    return (code, String(outcome.out.dropLast(3).drop { $0.isNewline }.trimmed))
  }

  /// A request for a certificate with a new key, as PEM.
  func request(_ subject: String, key: [String] = ["rsa:2048"], _ more: String...) async throws
    -> String
  {
    let file = folder.path + "/other.csr"
    let made = try await Tool(
      "openssl",
      ["req", "-new", "-nodes", "-newkey"] + key + ["-subj", subject, "-out", file]
        + ["-keyout", folder.path + "/other.key"] + more, folder
    ).ended()
    try #require(made.code == 0, "\(made)")
    return try String(contentsOfFile: file, encoding: .utf8)
  }

  /// A JSON object of texts.
  static func json(_ fields: [String: String]) throws -> String {
    String(decoding: try JSONEncoder().encode(fields), as: UTF8.self)
  }
}

extension StringProtocol {
  fileprivate var trimmed: String {
    var text = String(self)
    while text.last?.isNewline == true { text.removeLast() }
    return text
  }
}
