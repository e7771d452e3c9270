internal import CZstd

/// Compresses or decompresses one buffer at a time.
enum Zstd {
    /// A zstd frame of level 1: measurements show that higher levels cost more than they save.
    static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let bound = ZSTD_compressBound(bytes.count)
        return unsafe [UInt8](unsafeUninitializedCapacity: bound) { space, count in
            let size = unsafe ZSTD_compress(space.baseAddress, bound, bytes.baseAddress, bytes.count, 1)
            precondition(ZSTD_isError(size) == 0, "zstd: a bound that doesn't hold")
            count = size
        }
    }

    /// Fills `target` exactly; a frame that comes to more or less is refused.
    static func decompress(_ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer)
        throws(ArrowError)
    {
        let size = unsafe ZSTD_decompress(target.baseAddress, target.count, frame.baseAddress, frame.count)
        guard ZSTD_isError(size) == 0, size == target.count else { throw .damaged }
    }
}
