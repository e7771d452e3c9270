import FeatureLanguage
import Foundation

/// A request to a server under test, over a socket of its own: plain HTTP/1.1, read to the end of the connection.
public func http(
    _ method: String, _ url: String, _ body: String? = nil,
    headers: [String: String] = ["Content-Type": "application/json"]
) async throws -> (status: Int, text: String) {
    let answer = try await http(method, url, bytes: Array((body ?? "").utf8), headers: headers)
    return (answer.status, answer.text)
}

/// The same with a body of any bytes, and with the answer's head. It is JSON, unless the headers say otherwise.
public func http(_ method: String, _ url: String, bytes body: [UInt8], headers: [String: String]) async throws -> (
    status: Int, head: String, text: String
) {
    let components = URLComponents(string: url)!
    var head =
        "\(method) \(components.percentEncodedPath)\(components.percentEncodedQuery.map { "?" + $0 } ?? "") HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if headers["Content-Type"] == nil { head += "Content-Type: application/json\r\n" }
    let text = try await talk(Array((head + "\r\n").utf8) + body, to: url)
    guard let end = text.range(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
        throw POSIXError(.ECONNRESET)
    }
    return (status, String(text[..<end.lowerBound]), String(text[end.upperBound...]))
}

/// Sends bytes as they are, and gives all that comes until the connection ends.
///
/// - Parameters:
///   - ending: says then that nothing more comes, and waits for the answer.
///   - leaving: goes away instead of waiting for an answer.
public func talk(_ bytes: [UInt8], to url: String, ending: Bool = false, leaving: Bool = false) async throws -> String {
    let port = UInt16(URLComponents(string: url)!.port!)
    // Blocking calls stay off the cooperative threads.
    return try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try exchange(bytes, port, ending, leaving) }) }.start()
    }
}

private func exchange(_ request: [UInt8], _ port: UInt16, _ isEnding: Bool, _ isLeaving: Bool) throws -> String {
    #if canImport(Darwin)
        let stream = SOCK_STREAM
    #else
        let stream = Int32(SOCK_STREAM.rawValue)
    #endif
    let descriptor = socket(AF_INET, stream, 0)
    defer { close(descriptor) }
    var timeout = timeval(tv_sec: 60, tv_usec: 0)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let connected = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard connected == 0 else { throw POSIXError(.ECONNREFUSED) }
    var sent = 0
    while sent < request.count {
        let written = unsafe request[sent...].withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        // A server that refuses a large body may stop reading it; its answer is there all the same.
        if written <= 0 { break }
        sent += written
    }
    if isLeaving { return "" }
    if isEnding { shutdown(descriptor, Int32(SHUT_WR)) }
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
        if count <= 0 { break }
        answer += chunk.prefix(count)
    }
    return String(decoding: answer, as: UTF8.self)
}
