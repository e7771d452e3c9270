import Crypto
import Foundation
import HTTPTypes
import NIOCore
import Tables

/// A request's body in a file without a name, so that memory doesn't grow with it.
///
/// Sendable: it is written by one task, and only then read by another.
final class SpooledBody: @unchecked Sendable {
    private let file: FileHandle
    private let maximumBytes: Int
    private var count = 0
    private var hash = SHA256()

    /// - Parameters:
    ///   - directory: where temporary files go.
    ///   - maximumBytes: a longer body is refused.
    init(directory: String, maximumBytes: Int) throws {
        let path = "\(directory)/firn-body-\(UUID().uuidString)"
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]), let file = FileHandle(forUpdatingAtPath: path) else {
            throw Problem(.internalServerError, "internal", "no temporary file can be made")
        }
        self.file = file
        self.maximumBytes = maximumBytes
        try FileManager.default.removeItem(atPath: path)
    }

    func append(_ piece: ByteBuffer) throws {
        count += piece.readableBytes
        guard count <= maximumBytes else { throw Problem(.contentTooLarge, "body_too_large", "the body is larger than the \(maximumBytes >> 20) MiB that this route takes") }
        hash.update(data: piece.readableBytesView)
        try file.write(contentsOf: Data(piece.readableBytesView))
    }

    /// SHA-256 of what came.
    var digest: [UInt8] { Array(hash.finalize()) }

    /// The body from its beginning, piece by piece.
    func reader() throws -> ByteReader {
        try file.seek(toOffset: 0)
        return try ByteReader(
            pieces: { [file] in try file.read(upToCount: 1 << 20).map { Array($0) } }, name: "body", compression: .none, maximumBytes: 4 * maximumBytes)
    }
}
