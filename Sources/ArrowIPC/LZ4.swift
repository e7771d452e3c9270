internal import CLZ4

/// Decompresses one buffer at a time.
enum LZ4 {
    /// Fills `target` exactly. A frame that comes to more or less is refused, and nothing is written beyond the end.
    static func decompress(_ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer)
        throws(ArrowError)
    {
        var context: OpaquePointer?
        guard unsafe LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0,
            let context = unsafe context
        else {
            throw ArrowError("no memory to decompress it")
        }
        defer { _ = unsafe LZ4F_freeDecompressionContext(context) }
        var read = 0, written = 0
        while true {
            var taken = frame.count - read, given = target.count - written
            let hint = unsafe LZ4F_decompress(
                context, target.baseAddress.map { unsafe $0 + written }, &given,
                frame.baseAddress.map { unsafe $0 + read }, &taken, nil)
            guard LZ4F_isError(hint) == 0 else { throw .damaged }
            read += taken
            written += given
            if hint == 0 { break }
            // Nothing more to read, or no room for what is left.
            guard taken > 0 || given > 0 else { throw .damaged }
        }
        guard written == target.count, read == frame.count else { throw .damaged }
    }
}
