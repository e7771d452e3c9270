internal import CZlib
internal import CZstd
internal import Foundation

/// Takes bytes, compresses them on the way, and hands them on in pieces.
public final class ByteWriter {
    private let encoder: (any Encoder)?
    private let sink: ([UInt8]) throws(TableError) -> Void
    private var buffer: [UInt8] = []

    private static let bufferSize = 1 << 20

    /// - Parameter sink: takes each piece as it is ready.
    public init(
        _ compression: FileFormat.Compression, name: String, sink: @escaping ([UInt8]) throws(TableError) -> Void
    ) throws(TableError) {
        self.sink = sink
        switch compression {
        case .none: encoder = nil
        case .gzip: encoder = try GzipEncoder(name)
        case .zstd: encoder = try ZstdEncoder(name)
        }
    }

    /// Takes bytes, and hands them on once a mebibyte of them has come together.
    public func write(_ bytes: [UInt8]) throws(TableError) {
        // Large pieces that aren't compressed go out without being copied.
        if encoder == nil, bytes.count >= ByteWriter.bufferSize {
            try flush(isLast: false)
            return try sink(bytes)
        }
        buffer += bytes
        if buffer.count >= ByteWriter.bufferSize { try flush(isLast: false) }
    }

    /// Hands on what is left; nothing may be written after it.
    public func finish() throws(TableError) { try flush(isLast: true) }

    private func flush(isLast: Bool) throws(TableError) {
        let bytes = try encoder?.encode(buffer, isLast: isLast) ?? buffer
        buffer.removeAll(keepingCapacity: true)
        if !bytes.isEmpty { try sink(bytes) }
    }
}

private protocol Encoder {
    func encode(_ bytes: [UInt8], isLast: Bool) throws(TableError) -> [UInt8]
}

@safe private final class GzipEncoder: Encoder {
    private var stream = unsafe z_stream()

    init(_ name: String) throws(TableError) {
        // 16: with a gzip header.
        guard
            unsafe deflateInit2_(
                &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw TableError(file: name, message: "no memory to compress it") }
    }

    deinit { _ = unsafe deflateEnd(&stream) }

    func encode(_ bytes: [UInt8], isLast: Bool) throws(TableError) -> [UInt8] {
        var bytes = bytes
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        unsafe bytes.withUnsafeMutableBufferPointer { input in
            unsafe stream.next_in = input.baseAddress
            unsafe stream.avail_in = UInt32(input.count)
            repeat {
                unsafe chunk.withUnsafeMutableBufferPointer { space in
                    unsafe stream.next_out = space.baseAddress
                    unsafe stream.avail_out = UInt32(space.count)
                    _ = unsafe deflate(&stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                }
                unsafe output.append(contentsOf: chunk.prefix(chunk.count - Int(stream.avail_out)))
            } while unsafe stream.avail_out == 0
        }
        return output
    }
}

@safe private final class ZstdEncoder: Encoder {
    private let context: OpaquePointer
    private let name: String

    init(_ name: String) throws(TableError) {
        self.name = name
        guard let context = unsafe ZSTD_createCCtx() else {
            throw TableError(file: name, message: "no memory to compress it")
        }
        unsafe self.context = unsafe context
    }

    deinit { _ = unsafe ZSTD_freeCCtx(context) }

    func encode(_ bytes: [UInt8], isLast: Bool) throws(TableError) -> [UInt8] {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: ZSTD_CStreamOutSize())
        var fault = false
        unsafe bytes.withUnsafeBufferPointer { plain in
            var input = unsafe ZSTD_inBuffer(src: plain.baseAddress, size: plain.count, pos: 0)
            var isDone = false
            while !isDone {
                let (left, written) = unsafe chunk.withUnsafeMutableBufferPointer { space -> (Int, Int) in
                    var out = unsafe ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
                    let left = unsafe ZSTD_compressStream2(context, &out, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
                    return unsafe (left, out.pos)
                }
                if ZSTD_isError(left) != 0 {
                    fault = true
                    return
                }
                output.append(contentsOf: chunk.prefix(written))
                isDone = unsafe isLast ? left == 0 : input.pos == input.size
            }
        }
        if fault { throw TableError(file: name, message: "compressing failed") }
        return output
    }
}
