import FeatureLanguage
import FeatureStore
import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import Tables

extension Request {
    /// Of a body that is too large, so much is read and thrown away.
    private static let drained = 64 << 20

    /// How the body is compressed.
    ///
    /// - Throws: 415 for an encoding that isn't read.
    var compression: FileFormat.Compression {
        get throws {
            switch headers[.contentEncoding]?.lowercased() {
            case nil, "", "identity": return .none
            case "gzip", "x-gzip": return .gzip
            case "zstd": return .zstd
            default:
                var problem = Problem(.unsupportedMediaType, "unsupported_media_type", "a body may be compressed with gzip or zstd, with one of them, once")
                problem.headers[.acceptEncoding] = "gzip, zstd"
                throw problem
            }
        }
    }

    /// The whole body, decompressed.
    ///
    /// - Parameter limit: what it may come to, compressed and decompressed.
    func bytes(atMost limit: Int) async throws -> [UInt8] {
        let compression = try compression
        var bytes: [UInt8] = []
        var count = 0
        for try await piece in body {
            count += piece.readableBytes
            if count <= limit { bytes += piece.readableBytesView }
            // A sender that writes all before it reads wants its answer too; but not for ever.
            if count > limit + Request.drained { break }
        }
        guard count <= limit else { throw Problem.tooLarge(limit) }
        guard compression != .none else { return bytes }
        var plain: [UInt8] = []
        try Request.decompress({ () throws(TableError) in try ByteReader(bytes: bytes, name: "the body", compression: compression, maximumBytes: limit) }, atMost: limit) {
            plain += $0
        }
        return plain
    }

    /// Hands on what a compressed body holds, piece by piece. What is too large ends at once: a small body may come to very much.
    static func decompress(_ reader: () throws(TableError) -> ByteReader, atMost limit: Int, _ take: ([UInt8]) -> Void) throws {
        do {
            let reader = try reader()
            var count = 0
            while let piece = try reader.next() {
                count += piece.count
                guard count <= limit else { throw Problem.tooLarge(limit, isDecompressed: true) }
                take(piece)
            }
        } catch let error as TableError {
            throw Problem(.badRequest, "invalid_request", error.description)
        }
    }

    /// The content type without its parameters.
    var mediaType: String? {
        guard let given = headers[.contentType] else { return nil }
        return given == "application/json" ? given : given.prefix { $0 != ";" && $0 != " " }.lowercased()
    }

    func json(atMost limit: Int) async throws -> JSON { try await JSON(parsing: bytes(atMost: limit)) }

    func document() async throws -> DefinitionDocument {
        let body = try await bytes(atMost: DefinitionDocument.maximumBytes)
        guard let text = String(validating: body, as: UTF8.self) else { throw Problem(.badRequest, "invalid_request", "the body is not UTF-8 text") }
        return try DefinitionDocument(yaml: text, file: "body")
    }
}

extension Problem {
    static func tooLarge(_ limit: Int, isDecompressed: Bool = false) -> Problem {
        let size = limit >= 1 << 30 ? "\(limit >> 30) GiB" : "\(limit >> 20) MiB"
        return Problem(.contentTooLarge, "body_too_large", "the body \(isDecompressed ? "comes, decompressed, to more" : "is larger") than the \(size) that this route takes")
    }
}
