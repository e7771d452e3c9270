internal import Foundation

/// A file's bytes: all that were asked for, or none.
enum WholeFile {
    /// - Returns: nil if there are fewer, or they can't be read.
    static func read(_ count: Int, from file: Int32, at offset: Int = 0) -> [UInt8]? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { space, done in
            while done < count {
                let read = unsafe pread(file, space.baseAddress! + done, count - done, off_t(offset + done))
                if read <= 0 { return }
                done += read
            }
        }
        return bytes.count == count ? bytes : nil
    }

    /// - Returns: whether everything was written.
    static func write(_ bytes: [UInt8], to file: Int32, at offset: Int = 0) -> Bool {
        unsafe bytes.withUnsafeBytes { memory in
            var done = 0
            while done < memory.count {
                let written = unsafe pwrite(file, memory.baseAddress! + done, memory.count - done, off_t(offset + done))
                if written <= 0 { return false }
                done += written
            }
            return true
        }
    }
}
