internal import Foundation

/// A file that appears under its name when it is whole. If the system allows it, the file has no name until then, so
/// that an interruption leaves nothing behind.
package final class HiddenFile {
    package let descriptor: Int32
    /// A name next to its final one: if the file needs a name, until it appears; otherwise only for the moment in which
    /// it replaces another.
    private let temporary: String
    private let isNamed: Bool

    /// - Parameters:
    ///   - directory: where it will appear.
    ///   - temporary: a path there that nobody else uses.
    package init?(directory: String, temporary: String, permissions: UInt32) {
        let nameless = HiddenFile.nameless(directory, mode_t(permissions))
        let opened = nameless ?? (unsafe open(temporary, O_RDWR | O_CREAT | O_EXCL, mode_t(permissions)))
        guard opened >= 0 else { return nil }
        (descriptor, self.temporary, isNamed) = (opened, temporary, nameless == nil)
        // Whoever comes across the name can see that somebody is at work on it.
        flock(descriptor, LOCK_EX | LOCK_NB)
    }

    deinit {
        close(descriptor)
        if isNamed { unsafe unlink(temporary) }
    }

    private static func nameless(_ directory: String, _ permissions: mode_t) -> Int32? {
        #if os(Linux)
            guard unsafe access("/proc/self/fd", X_OK) == 0 else { return nil }
            // O_TMPFILE, which the C headers hide behind a feature macro.
            let file = unsafe open(directory, 0o20_000_000 | O_DIRECTORY | O_RDWR, permissions)
            return file >= 0 ? file : nil
        #else
            return nil
        #endif
    }

    /// Makes the file appear under its name; false if that fails.
    ///
    /// - Parameter replacing: whether it takes the place of a file with that name. If not, such a file counts as
    ///   success, since it has the same content.
    package func appear(as path: String, replacing: Bool) -> Bool {
        if isNamed { return unsafe rename(temporary, path) == 0 }
        if link(as: path) { return true }
        guard errno == EEXIST else { return false }
        if !replacing { return true }
        // Only a file with a name can take the name of another.
        guard link(as: temporary) else { return false }
        if unsafe rename(temporary, path) == 0 { return true }
        unsafe unlink(temporary)
        return false
    }

    private func link(as path: String) -> Bool {
        #if os(Linux)
            return unsafe linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0
        #else
            return false
        #endif
    }
}
