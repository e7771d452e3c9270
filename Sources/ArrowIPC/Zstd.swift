internal import CZstd

/// One buffer compressed or decompressed at once.
enum Zstd {
    /// A zstd frame of level 1: figures show higher levels cost more than they save.
    static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let bound = ZSTD_compressBound(bytes.count)
        return unsafe [UInt8](unsafeUninitializedCapacity: bound) { space, count in
            let size = unsafe ZSTD_compress(space.baseAddress, bound, bytes.baseAddress, bytes.count, 1)
            precondition(ZSTD_isError(size) == 0, "zstd: a bound that doesn't hold")
            count = size
        }
    }

    /// Exactly `count` bytes into `target`.
    static func decompress(_ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer)
        throws(ArrowError)
    {
        let size = unsafe ZSTD_decompress(target.baseAddress, target.count, frame.baseAddress, frame.count)
        guard ZSTD_isError(size) == 0, size == target.count else { throw .damaged }
    }
}
