internal import CZlib
internal import CZstd
internal import Foundation

/// Bytes of a file or of memory, piece by piece, decompressed on the way. Memory: two pieces.
public final class ByteReader {
    private enum Input {
        case file(FileHandle)
        case memory([UInt8])
        case pieces(() throws -> [UInt8]?)
    }

    private let input: Input
    private let name: String
    private let decoder: (any Decoder)?
    /// Compressed bytes taken so far, for progress.
    public private(set) var bytesRead = 0
    /// The size of the file, compressed; nil where it can't be known.
    public let size: Int?

    private let pieceSize: Int
    /// What its content may come to when it is decompressed: bodies of requests are bounded, files aren't.
    let maximumBytes: Int

    /// - Parameter path: a file, or a pipe such as `/dev/stdin`.
    public init(path: String, compression: FileFormat.Compression) throws(TableError) {
        var isDirectory: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { throw TableError(file: path, message: "no such file") }
        guard !isDirectory.boolValue, let handle = FileHandle(forReadingAtPath: path) else { throw TableError(file: path, message: "can't be read") }
        input = .file(handle)
        pieceSize = 1 << 20
        maximumBytes = .max
        name = path
        let attributes = try? FileManager.default.attributesOfItem(atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
        size = attributes?[.type] as? FileAttributeType == .typeRegular ? (attributes?[.size] as? NSNumber)?.intValue : nil
        decoder = try ByteReader.decoder(compression, path)
    }

    /// - Parameters:
    ///   - pieceSize: bytes, compressed, that are taken at a time.
    ///   - maximumBytes: Arrow that comes to more is refused.
    public init(bytes: [UInt8], name: String, compression: FileFormat.Compression = .none, pieceSize: Int = 1 << 20, maximumBytes: Int = .max) throws(TableError) {
        input = .memory(bytes)
        self.maximumBytes = maximumBytes
        self.pieceSize = pieceSize
        self.name = name
        size = bytes.count
        decoder = try ByteReader.decoder(compression, name)
    }

    /// - Parameters:
    ///   - pieces: the next bytes; nil at the end.
    ///   - maximumBytes: Arrow that comes to more is refused.
    public init(pieces: @escaping () throws -> [UInt8]?, name: String, compression: FileFormat.Compression, maximumBytes: Int = .max) throws(TableError) {
        input = .pieces(pieces)
        pieceSize = 0
        self.maximumBytes = maximumBytes
        self.name = name
        size = nil
        decoder = try ByteReader.decoder(compression, name)
    }

    private static func decoder(_ compression: FileFormat.Compression, _ name: String) throws(TableError) -> (any Decoder)? {
        switch compression {
        case .none: nil
        case .gzip: try GzipDecoder(name)
        case .zstd: try ZstdDecoder(name)
        }
    }

    /// The next piece; nil at the end.
    public func next() throws(TableError) -> [UInt8]? {
        while true {
            let piece = try raw()
            guard let decoder else { return piece.isEmpty ? nil : piece }
            if piece.isEmpty {
                try decoder.finish()
                return nil
            }
            let decoded = try decoder.decode(piece)
            if !decoded.isEmpty { return decoded }
        }
    }

    private func raw() throws(TableError) -> [UInt8] {
        switch input {
        case .pieces(let next): return try TableError.explaining(name) { try next() } ?? []
        case .memory(let bytes):
            // In pieces, so that a small compressed body can't become a large one at once.
            let piece = bytes[min(bytesRead, bytes.count)...].prefix(pieceSize)
            bytesRead += piece.count
            return Array(piece)
        case .file(let handle):
            do {
                let data = try handle.read(upToCount: pieceSize) ?? Data()
                bytesRead += data.count
                return Array(data)
            } catch {
                throw TableError(file: name, message: "reading failed: \(error.localizedDescription)")
            }
        }
    }
}

/// Turns compressed pieces into plain ones.
private protocol Decoder {
    func decode(_ piece: [UInt8]) throws(TableError) -> [UInt8]
    /// Called at the end of the input; throws where the stream isn't at its own end.
    func finish() throws(TableError)
}

@safe private final class GzipDecoder: Decoder {
    private var stream = unsafe z_stream()
    private let name: String
    private var isAtEnd = true

    init(_ name: String) throws(TableError) {
        self.name = name
        // 32: the gzip or zlib header says which.
        guard unsafe inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw TableError(file: name, message: "no memory to decompress it")
        }
    }

    deinit { _ = unsafe inflateEnd(&stream) }

    func decode(_ piece: [UInt8]) throws(TableError) -> [UInt8] {
        var piece = piece
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        var fault = false
        unsafe piece.withUnsafeMutableBufferPointer { input in
            unsafe stream.next_in = input.baseAddress
            unsafe stream.avail_in = UInt32(input.count)
            while unsafe stream.avail_in > 0 {
                // A file may hold several members, one after the other.
                if isAtEnd {
                    _ = unsafe inflateReset(&stream)
                    isAtEnd = false
                }
                let status = unsafe chunk.withUnsafeMutableBufferPointer { space -> Int32 in
                    unsafe stream.next_out = space.baseAddress
                    unsafe stream.avail_out = UInt32(space.count)
                    return unsafe inflate(&stream, Z_NO_FLUSH)
                }
                unsafe output.append(contentsOf: chunk.prefix(chunk.count - Int(stream.avail_out)))
                if status == Z_STREAM_END {
                    isAtEnd = true
                } else if status != Z_OK, status != Z_BUF_ERROR {
                    fault = true
                    return
                }
            }
            // What the input still holds back because the space was full.
            while !isAtEnd, unsafe stream.avail_out == 0 {
                let status = unsafe chunk.withUnsafeMutableBufferPointer { space -> Int32 in
                    unsafe stream.next_out = space.baseAddress
                    unsafe stream.avail_out = UInt32(space.count)
                    return unsafe inflate(&stream, Z_NO_FLUSH)
                }
                unsafe output.append(contentsOf: chunk.prefix(chunk.count - Int(stream.avail_out)))
                if status == Z_STREAM_END { isAtEnd = true }
            }
        }
        if fault { throw TableError(file: name, message: "the gzip data is damaged") }
        return output
    }

    func finish() throws(TableError) {
        if !isAtEnd { throw TableError(file: name, message: "the gzip data ends too early") }
    }
}

@safe private final class ZstdDecoder: Decoder {
    private let stream: OpaquePointer
    private let name: String
    private var isAtEnd = true

    init(_ name: String) throws(TableError) {
        self.name = name
        guard let stream = unsafe ZSTD_createDStream() else { throw TableError(file: name, message: "no memory to decompress it") }
        unsafe self.stream = unsafe stream
    }

    deinit { _ = unsafe ZSTD_freeDStream(stream) }

    func decode(_ piece: [UInt8]) throws(TableError) -> [UInt8] {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
        var fault = false
        unsafe piece.withUnsafeBufferPointer { bytes in
            var input = unsafe ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
            var isFull = false
            while unsafe input.pos < input.size || isFull {
                let (status, written) = unsafe chunk.withUnsafeMutableBufferPointer { space -> (Int, Int) in
                    var out = unsafe ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
                    let status = unsafe ZSTD_decompressStream(stream, &out, &input)
                    return unsafe (status, out.pos)
                }
                if ZSTD_isError(status) != 0 {
                    fault = true
                    return
                }
                isAtEnd = status == 0
                isFull = written == chunk.count
                output.append(contentsOf: chunk.prefix(written))
            }
        }
        if fault { throw TableError(file: name, message: "the zstd data is damaged") }
        return output
    }

    func finish() throws(TableError) {
        if !isAtEnd { throw TableError(file: name, message: "the zstd data ends too early") }
    }
}
