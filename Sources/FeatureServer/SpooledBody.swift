import Crypto
import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import Tables

/// A request's body in a file without a name, so that memory doesn't grow with it. Compressed it stays compressed there.
///
/// Sendable: it is written by one task, and only then read by another.
final class SpooledBody: @unchecked Sendable {
    private let file: FileHandle
    private let maximumBytes: Int
    private let compression: FileFormat.Compression
    private var count = 0
    private var hash = SHA256()

    /// - Parameters:
    ///   - directory: where temporary files go.
    ///   - maximumBytes: a body that is longer, compressed or decompressed, is refused.
    init(directory: String, maximumBytes: Int, compression: FileFormat.Compression) throws {
        let path = "\(directory)/firn-body-\(UUID().uuidString)"
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]), let file = FileHandle(forUpdatingAtPath: path) else {
            throw Problem(.internalServerError, "internal", "no temporary file can be made")
        }
        self.file = file
        self.maximumBytes = maximumBytes
        self.compression = compression
        try FileManager.default.removeItem(atPath: path)
    }

    func append(_ piece: ByteBuffer) throws {
        count += piece.readableBytes
        guard count <= maximumBytes else { throw Problem.tooLarge(maximumBytes) }
        if compression == .none { hash.update(data: piece.readableBytesView) }
        try file.write(contentsOf: Data(piece.readableBytesView))
    }

    /// Called once all has come, before it is read: what is compressed is gone through, and refused where it is too large or damaged.
    func finish() throws {
        guard compression != .none else { return }
        let file = try rewound()
        try Request.decompress(
            { () throws(TableError) in try ByteReader(pieces: file, name: "the body", compression: compression, maximumBytes: maximumBytes) }, atMost: maximumBytes
        ) {
            hash.update(data: $0)
        }
    }

    /// SHA-256 of what came, decompressed: the same rows are the same body, however they travelled.
    var digest: [UInt8] { Array(hash.finalize()) }

    /// The body from its beginning, decompressed piece by piece.
    func reader() throws -> ByteReader { try ByteReader(pieces: rewound(), name: "body", compression: compression, maximumBytes: 4 * maximumBytes) }

    private func rewound() throws -> () throws -> [UInt8]? {
        try file.seek(toOffset: 0)
        return { [file] in try file.read(upToCount: 1 << 20).map { Array($0) } }
    }
}
