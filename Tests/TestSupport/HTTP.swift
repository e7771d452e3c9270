import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A request to a server under test, over a socket.
public func http(
    _ method: String, _ url: String, _ body: String? = nil, headers: [String: String] = ["Content-Type": "application/json"]
) async throws -> (status: Int, text: String) {
    var request = URLRequest(url: URL(string: url)!, timeoutInterval: 30)
    request.httpMethod = method
    request.httpBody = body.map { Data($0.utf8) }
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let (data, response) = try await URLSession.shared.data(for: request)
    return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
}
