import FeatureLanguage
import FeatureStore
import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1
import Tables

extension Request {
    /// How the body is compressed.
    ///
    /// - Throws: 415 for an encoding that isn't supported.
    var compression: FileFormat.Compression {
        get throws {
            switch headers[.contentEncoding]?.lowercased() {
            case nil, "", "identity": return .none
            case "gzip", "x-gzip": return .gzip
            case "zstd": return .zstd
            default:
                var problem = Problem(
                    .unsupportedMediaType, "unsupported_media_type",
                    "a body may be compressed with gzip or zstd, with one of them, once")
                problem.headers[.acceptEncoding] = "gzip, zstd"
                throw problem
            }
        }
    }

    /// The whole body, decompressed. It counts against the memory for bodies until the request ends.
    ///
    /// - Parameter limit: the most bytes that it may have, both compressed and decompressed.
    func bytes(atMost limit: Int) async throws -> [UInt8] {
        let compression = try compression
        try requireLength(atMost: limit)
        var bytes: [UInt8] = []
        try await taking(body) { piece in
            guard bytes.count + piece.readableBytes <= limit else { throw Problem.tooLarge(limit) }
            _ = try await RequestMemory.current?.take(piece.readableBytes)
            bytes += piece.readableBytesView
        }
        guard compression != .none else { return bytes }
        var plain: [UInt8] = []
        let packed = bytes
        // Nobody knows in advance how large it will be.
        return try await RequestMemory.holding(limit) {
            try Request.decompress(
                { () throws(TableError) in
                    try ByteReader(bytes: packed, name: "the body", compression: compression, maximumBytes: limit)
                }, atMost: limit
            ) {
                plain += $0
            }
            _ = try await RequestMemory.current?.take(plain.count)
            return plain
        }
    }

    /// Refuses a body that announces that it is too large, before any of it is read.
    func requireLength(atMost limit: Int) throws {
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limit { throw Problem.tooLarge(limit) }
    }

    /// Takes a body piece by piece.
    ///
    /// - Throws: `Problem.clientLeft` if the sender goes away before its end.
    func taking(_ pieces: some AsyncSequence<ByteBuffer, any Error>, _ take: (ByteBuffer) async throws -> Void)
        async throws
    {
        var iterator = pieces.makeAsyncIterator()
        while true {
            let piece: ByteBuffer?
            do {
                piece = try await iterator.next()
            } catch let error as HTTPParserError where error != .invalidEOFState {
                throw Problem(.badRequest, "invalid_request", "the body isn't what HTTP/1.1 says")
            } catch {
                throw Problem.clientLeft
            }
            guard let piece else { return }
            try await take(piece)
        }
    }

    /// Passes on the content of a compressed body, piece by piece. It stops as soon as that is too large, since a small
    /// body may expand to very much.
    static func decompress(_ reader: () throws(TableError) -> ByteReader, atMost limit: Int, _ take: ([UInt8]) -> Void)
        throws
    {
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

    func json(atMost limit: Int) async throws -> JSON {
        let bytes = try await bytes(atMost: limit)
        _ = try await RequestMemory.current?.take(Request.jsonFactor * bytes.count)
        return try JSON(parsing: bytes)
    }

    /// How many times its size JSON, and YAML, takes up in memory at most once it is parsed: a byte or two make a
    /// value.
    static let jsonFactor = 24, yamlFactor = 32

    func document() async throws -> DefinitionDocument {
        let body = try await bytes(atMost: DefinitionDocument.maximumBytes)
        _ = try await RequestMemory.current?.take(Request.yamlFactor * body.count)
        guard let text = String(validating: body, as: UTF8.self) else {
            throw Problem(.badRequest, "invalid_request", "the body is not UTF-8 text")
        }
        return try DefinitionDocument(yaml: text, file: "body")
    }
}

extension Problem {
    static func tooLarge(_ limit: Int, isDecompressed: Bool = false) -> Problem {
        let size = limit >= 1 << 30 ? "\(limit >> 30) GiB" : "\(limit >> 20) MiB"
        return Problem(
            .contentTooLarge, "body_too_large",
            "the body \(isDecompressed ? "comes, decompressed, to more" : "is larger") than the \(size) that this route takes"
        )
    }
}
