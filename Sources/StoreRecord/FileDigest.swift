internal import Crypto
internal import Tables

/// SHA-256 of a file's bytes as stored; nil for a pipe, which can be read only once.
package func fileDigest(_ path: String) throws -> [UInt8]? {
    if FileFormat.isPipe(path) { return nil }
    let bytes = try ByteReader(path: path, compression: .none)
    var hash = SHA256()
    while let piece = try bytes.next() { hash.update(data: piece) }
    return Array(hash.finalize())
}
