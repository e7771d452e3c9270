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
    public init(_ compression: FileFormat.Compression, name: String, sink: @escaping ([UInt8]) throws(TableError) -> Void) throws(TableError) {
        self.sink = sink
        switch compression {
        case .none: encoder = nil
        case .gzip: encoder = try GzipEncoder(name)
        case .zstd: encoder = try ZstdEncoder(name)
        }
    }

    public func write(_ bytes: [UInt8]) throws(TableError) {
        // What is large and goes out as it is isn't copied.
        if encoder == nil, bytes.count >= ByteWriter.bufferSize {
            try flush(isLast: false)
            return try sink(bytes)
        }
        buffer += bytes
        if buffer.count >= ByteWriter.bufferSize { try flush(isLast: false) }
    }

    /// Nothing may be written after it.
    public func finish() throws(TableError) { try flush(isLast: true) }

    private func flush(isLast: Bool) throws(TableError) {
        let bytes = try encoder?.encode(buffer, isLast: isLast) ?? buffer
        buffer.removeAll(keepingCapacity: true)
        if !bytes.isEmpty { try sink(bytes) }
    }
}

/// A file that appears under its name only when it is whole; until then nothing of it is to be seen.
public final class NewFile {
    private let path: String
    private let temporary: String
    private let handle: FileHandle
    private var isPublished = false

    /// - Parameter path: a file, or a device or pipe, which is written as it is.
    public init(path: String) throws(TableError) {
        // A link stays one: what it points to is replaced.
        let isRegular = !FileFormat.isPipe(path)
        let path = isRegular ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
        self.path = path
        var isDirectory: ObjCBool = false
        if unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
            throw TableError(file: path, message: "is a directory", advice: "name a file in it")
        }
        temporary = isRegular ? path + ".part-\(ProcessInfo.processInfo.processIdentifier)" : path
        if path == "/dev/stdout" {
            handle = .standardOutput
            return
        }
        if isRegular, !FileManager.default.createFile(atPath: temporary, contents: nil) {
            throw TableError(file: path, message: "can't be written", advice: "does its directory exist?")
        }
        guard let handle = FileHandle(forWritingAtPath: temporary) else { throw TableError(file: path, message: "can't be written") }
        self.handle = handle
    }

    /// A file and what writes to it.
    ///
    /// - Parameter path: layout and compression by its name; nil is standard output, as CSV.
    static func open(_ path: String?) throws(TableError) -> (writer: ByteWriter, file: NewFile, layout: FileFormat.Layout) {
        let path = path ?? "/dev/stdout"
        let format = try FileFormat(path: path)
        let file = try NewFile(path: path)
        return (try ByteWriter(format.compression, name: path) { bytes throws(TableError) in try file.write(bytes) }, file, format.layout)
    }

    deinit {
        if !isPublished, temporary != path { try? FileManager.default.removeItem(atPath: temporary) }
    }

    public func write(_ bytes: [UInt8]) throws(TableError) {
        var written = 0
        let fault = unsafe bytes.withUnsafeBytes { memory -> Int32? in
            while written < memory.count {
                let count = unsafe Foundation.write(handle.fileDescriptor, memory.baseAddress! + written, memory.count - written)
                if count < 0, errno == EINTR { continue }
                if count < 0 { return errno }
                written += count
            }
            return nil
        }
        if let fault { throw TableError(file: path, message: "writing failed: \(POSIXError(POSIXErrorCode(rawValue: fault) ?? .EIO).localizedDescription)") }
    }

    /// Makes the file appear, in the place of an old one.
    public func publish() throws(TableError) {
        do {
            if path != "/dev/stdout" { try handle.close() }
            if temporary != path { try FileManager.default.rename(temporary, to: path) }
        } catch {
            throw TableError(file: path, message: "writing failed: \(error.localizedDescription)")
        }
        isPublished = true
    }
}

extension FileManager {
    /// rename(2): the new file takes the old one's place at once.
    fileprivate func rename(_ new: String, to old: String) throws {
        guard unsafe Foundation.rename(new, old) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }
}

private protocol Encoder {
    func encode(_ bytes: [UInt8], isLast: Bool) throws(TableError) -> [UInt8]
}

@safe private final class GzipEncoder: Encoder {
    private var stream = unsafe z_stream()

    init(_ name: String) throws(TableError) {
        // 16: with a gzip header.
        guard unsafe deflateInit2_(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
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
        guard let context = unsafe ZSTD_createCCtx() else { throw TableError(file: name, message: "no memory to compress it") }
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
