import Crypto
import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import Tables

/// A request's body in a file without a name, so that memory doesn't grow with it. A compressed body stays compressed
/// there.
///
/// Sendable: one task writes it, and only afterwards does another read it.
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
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let file = FileHandle(forUpdatingAtPath: path)
        else {
            throw SpooledBody.noRoom
        }
        self.file = file
        self.maximumBytes = maximumBytes
        self.compression = compression
        try SpooledBody.onDisk { try FileManager.default.removeItem(atPath: path) }
    }

    private static let noRoom = Problem(
        HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"), "no_room",
        "the server has no room to put the body aside: its folder for temporary files (TMPDIR) is full or can't be written"
    )

    private static func onDisk<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch {
            var problem = noRoom
            problem.cause = error
            throw problem
        }
    }

    func append(_ piece: ByteBuffer) throws {
        count += piece.readableBytes
        guard count <= maximumBytes else { throw Problem.tooLarge(maximumBytes) }
        if compression == .none { hash.update(data: piece.readableBytesView) }
        try SpooledBody.onDisk { try file.write(contentsOf: Data(piece.readableBytesView)) }
    }

    /// Called once everything has come, before it is read: a compressed body is read through, and refused if it is too
    /// large or damaged.
    func finish() throws {
        guard compression != .none else { return }
        let file = try rewound()
        try Request.decompress(
            { () throws(TableError) in
                try ByteReader(pieces: file, name: "the body", compression: compression, maximumBytes: maximumBytes)
            }, atMost: maximumBytes
        ) {
            hash.update(data: $0)
        }
    }

    /// SHA-256 of the decompressed body: the same rows are the same body, however they traveled.
    var digest: [UInt8] { Array(hash.finalize()) }

    /// The body from its beginning, decompressed piece by piece.
    ///
    /// - Parameters:
    ///   - columns: the most bytes that its rows may come to; nil if only a few rows are held at a time.
    ///   - batch: the most bytes of a single Arrow record batch.
    ///   - rows: the most rows.
    func reader(columns: Int? = nil, batch: Int, rows: Int = .max) throws -> ByteReader {
        try ByteReader(
            pieces: rewound(), name: "body", compression: compression, maximumBytes: columns ?? 4 * maximumBytes,
            maximumBatch: batch, maximumRows: rows)
    }

    private func rewound() throws -> () throws -> [UInt8]? {
        try SpooledBody.onDisk { try file.seek(toOffset: 0) }
        return { [file] in try SpooledBody.onDisk { try file.read(upToCount: 1 << 20).map { Array($0) } } }
    }
}
