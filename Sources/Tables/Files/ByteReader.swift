internal import CZlib
internal import CZstd
internal import Foundation

/// Bytes of a file or of memory, piece by piece, decompressed on the way. It holds two pieces at most, whatever a
/// compressed one may expand to.
public final class ByteReader {
    private enum Input {
        case file(FileHandle)
        case memory([UInt8])
        case pieces(() throws -> [UInt8]?)
    }

    private let input: Input
    /// Receives every byte that is read, in order and before decompression.
    private let observe: ([UInt8]) -> Void
    private let name: String
    private let decoder: (any Decoder)?
    /// Compressed bytes that were taken but aren't decompressed yet.
    private var rest: ArraySlice<UInt8> = []
    /// Compressed bytes taken so far, for progress.
    public private(set) var bytesRead = 0
    /// The compressed size of the file in bytes; nil if it can't be known.
    public let size: Int?

    private let pieceSize: Int
    /// How many bytes its rows may take up once they are read, how many a record batch of them may, and how many rows
    /// there may be: bodies of requests are bounded, files aren't.
    let maximumBytes: Int
    let maximumBatch: Int
    let maximumRows: Int

    /// - Parameters:
    ///   - path: a file, or a pipe such as `/dev/stdin`.
    ///   - observe: receives every byte of the file as it is read, before decompression.
    public init(path: String, compression: FileFormat.Compression, observe: @escaping ([UInt8]) -> Void = { _ in })
        throws(TableError)
    {
        self.observe = observe
        var isDirectory: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw TableError(file: path, message: "no such file")
        }
        guard !isDirectory.boolValue, let handle = FileHandle(forReadingAtPath: path) else {
            throw TableError(file: path, message: "can't be read")
        }
        input = .file(handle)
        pieceSize = 1 << 20
        (maximumBytes, maximumBatch, maximumRows) = (.max, .max, .max)
        name = path
        let attributes = try? FileManager.default.attributesOfItem(
            atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
        size =
            attributes?[.type] as? FileAttributeType == .typeRegular ? (attributes?[.size] as? NSNumber)?.intValue : nil
        decoder = try ByteReader.decoder(compression, path, mostWindow: nil)
    }

    /// - Parameters:
    ///   - pieceSize: how many compressed bytes are taken at a time.
    ///   - maximumBytes: rows that take up more than this are refused.
    ///   - maximumRows: more rows than this are refused.
    public init(
        bytes: [UInt8], name: String, compression: FileFormat.Compression = .none, pieceSize: Int = 1 << 20,
        maximumBytes: Int = .max, maximumRows: Int = .max
    ) throws(TableError) {
        input = .memory(bytes)
        observe = { _ in }
        self.maximumBytes = maximumBytes
        self.maximumRows = maximumRows
        maximumBatch = .max
        self.pieceSize = pieceSize
        self.name = name
        size = bytes.count
        decoder = try ByteReader.decoder(
            compression, name, mostWindow: maximumBytes < .max ? ByteReader.mostWindow : nil)
    }

    /// - Parameters:
    ///   - pieces: the next bytes; nil at the end.
    ///   - maximumBytes: rows that take up more than this are refused.
    ///   - maximumBatch: a record batch that takes up more than this is refused.
    ///   - maximumRows: more rows than this are refused.
    public init(
        pieces: @escaping () throws -> [UInt8]?, name: String, compression: FileFormat.Compression,
        maximumBytes: Int = .max, maximumBatch: Int = .max,
        maximumRows: Int = .max
    ) throws(TableError) {
        input = .pieces(pieces)
        observe = { _ in }
        pieceSize = 0
        self.maximumBytes = maximumBytes
        self.maximumBatch = maximumBatch
        self.maximumRows = maximumRows
        self.name = name
        size = nil
        decoder = try ByteReader.decoder(
            compression, name, mostWindow: maximumBytes < .max ? ByteReader.mostWindow : nil)
    }

    /// The largest window that a body's zstd frame may ask for, as a power of two: 8 MiB by RFC 9659.
    private static let mostWindow: Int32 = 23

    private static func decoder(_ compression: FileFormat.Compression, _ name: String, mostWindow: Int32?)
        throws(TableError) -> (any Decoder)?
    {
        switch compression {
        case .none: nil
        case .gzip: try GzipDecoder(name)
        case .zstd: try ZstdDecoder(name, mostWindow)
        }
    }

    /// How many of the next rows to read at most: one more than allowed, so that it is noticed.
    func most(_ limit: Int, after rows: Int) -> Int { maximumRows < .max ? min(limit, maximumRows - rows + 1) : limit }

    /// Refuses more rows, or rows that take up more bytes, than are allowed.
    func require(rows: Int, bytes: Int) throws(TableError) {
        if rows > maximumRows {
            throw TableError(
                file: name, message: "has more than \(maximumRows) rows", advice: "send less at a time", isTooMuch: true
            )
        }
        if bytes > maximumBytes { throw tooMuch }
    }

    /// Makes an error about too much data say how much would do.
    func explainingBounds<T>(_ body: () throws(TableError) -> T) throws(TableError) -> T {
        do {
            return try body()
        } catch {
            throw error.isTooMuch && maximumBytes < .max && !error.message.hasSuffix("rows") ? tooMuch : error
        }
    }

    private var tooMuch: TableError {
        let bytes = min(maximumBytes, maximumBatch), size = bytes >= 1 << 20 ? "\(bytes >> 20) MiB" : "\(bytes) bytes"
        return TableError(
            file: name, message: "comes to more than \(size) of columns once it is read", advice: "send less at a time",
            isTooMuch: true)
    }

    /// The next piece; nil at the end.
    public func next() throws(TableError) -> [UInt8]? {
        guard let decoder else {
            let piece = try raw()
            return piece.isEmpty ? nil : piece
        }
        while true {
            if rest.isEmpty, !decoder.holdsMore {
                rest = try raw()[...]
                if rest.isEmpty {
                    try decoder.finish()
                    return nil
                }
            }
            let decoded = try decoder.decode(&rest)
            if !decoded.isEmpty { return decoded }
        }
    }

    /// Reads what is left even though nobody needs it, such as what follows the last record batch, so that the observer
    /// receives the whole file.
    public func drain() throws(TableError) { while try !raw().isEmpty {} }

    private func raw() throws(TableError) -> [UInt8] {
        switch input {
        case .pieces(let next): return try TableError.explaining(name) { try next() } ?? []
        case .memory(let bytes):
            // In pieces, so that a small compressed body can't become a large one all at once.
            let piece = bytes[min(bytesRead, bytes.count)...].prefix(pieceSize)
            bytesRead += piece.count
            return Array(piece)
        case .file(let handle):
            do {
                let data = try handle.read(upToCount: pieceSize) ?? Data()
                bytesRead += data.count
                let piece = Array(data)
                observe(piece)
                return piece
            } catch {
                throw TableError(file: name, message: "reading failed: \(error.localizedDescription)")
            }
        }
    }
}

/// Turns compressed pieces into plain ones, a bounded piece at a time, because a small input may expand to very much.
private protocol Decoder {
    /// Takes what one piece of output needs from the front of the input.
    func decode(_ input: inout ArraySlice<UInt8>) throws(TableError) -> [UInt8]
    /// Whether there is more output even without more input.
    var holdsMore: Bool { get }
    /// Called at the end of the input; throws if the stream isn't at its own end.
    func finish() throws(TableError)
}

/// How many bytes a piece of output has at most.
private let pieceSpace = 1 << 18

@safe private final class GzipDecoder: Decoder {
    private var stream = unsafe z_stream()
    private let name: String
    private var isAtEnd = true
    private(set) var holdsMore = false
    private var space = [UInt8](repeating: 0, count: pieceSpace)

    init(_ name: String) throws(TableError) {
        self.name = name
        // 32: the header says whether it is gzip or zlib.
        guard unsafe inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw TableError(file: name, message: "no memory to decompress it")
        }
    }

    deinit { _ = unsafe inflateEnd(&stream) }

    func decode(_ input: inout ArraySlice<UInt8>) throws(TableError) -> [UInt8] {
        // A file may hold several members, one after the other.
        if isAtEnd {
            _ = unsafe inflateReset(&stream)
            isAtEnd = false
        }
        let (status, left, free) = unsafe input.withUnsafeMutableBufferPointer { bytes in
            unsafe space.withUnsafeMutableBufferPointer { space -> (Int32, Int, Int) in
                unsafe stream.next_in = bytes.baseAddress
                unsafe stream.avail_in = UInt32(bytes.count)
                unsafe stream.next_out = space.baseAddress
                unsafe stream.avail_out = UInt32(space.count)
                let status = unsafe inflate(&stream, Z_NO_FLUSH)
                return unsafe (status, Int(stream.avail_in), Int(stream.avail_out))
            }
        }
        guard [Z_OK, Z_BUF_ERROR, Z_STREAM_END].contains(status) else {
            throw TableError(file: name, message: "the gzip data is damaged")
        }
        input = input.suffix(left)
        isAtEnd = status == Z_STREAM_END
        holdsMore = free == 0 && !isAtEnd
        return Array(space.prefix(space.count - free))
    }

    func finish() throws(TableError) {
        if !isAtEnd { throw TableError(file: name, message: "the gzip data ends too early") }
    }
}

@safe private final class ZstdDecoder: Decoder {
    private let stream: OpaquePointer
    private let name: String
    private let mostWindow: Int32?
    private var isAtEnd = true
    private(set) var holdsMore = false
    private var space = [UInt8](repeating: 0, count: pieceSpace)

    /// - Parameter mostWindow: as a power of two; nil for the library's own bound.
    init(_ name: String, _ mostWindow: Int32?) throws(TableError) {
        self.name = name
        self.mostWindow = mostWindow
        guard let stream = unsafe ZSTD_createDStream() else {
            throw TableError(file: name, message: "no memory to decompress it")
        }
        if let mostWindow { _ = unsafe ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, mostWindow) }
        unsafe self.stream = unsafe stream
    }

    deinit { _ = unsafe ZSTD_freeDStream(stream) }

    func decode(_ input: inout ArraySlice<UInt8>) throws(TableError) -> [UInt8] {
        let (status, read, written) = unsafe input.withUnsafeBufferPointer { bytes in
            unsafe space.withUnsafeMutableBufferPointer { space -> (Int, Int, Int) in
                var taken = unsafe ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
                var given = unsafe ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
                let status = unsafe ZSTD_decompressStream(stream, &given, &taken)
                return unsafe (status, taken.pos, given.pos)
            }
        }
        guard ZSTD_isError(status) == 0 else {
            throw TableError(
                file: name,
                message: "the zstd data is damaged\(mostWindow == nil ? "" : ", or needs a window of more than 8 MiB")",
                advice: mostWindow == nil ? nil : "zstd's levels up to 19 do, without --long")
        }
        input = input.dropFirst(read)
        isAtEnd = status == 0
        holdsMore = written == space.count && !isAtEnd
        return Array(space.prefix(written))
    }

    func finish() throws(TableError) {
        if !isAtEnd { throw TableError(file: name, message: "the zstd data ends too early") }
    }
}
