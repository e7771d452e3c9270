internal import Foundation

/// A file that appears under its name only when it is whole; until then, nothing of it can be seen.
public final class NewFile {
    private let path: String
    /// Nil for a device or pipe, which is written directly.
    private let hidden: HiddenFile?
    private let handle: FileHandle?
    private let descriptor: Int32

    /// - Parameter path: a file, or a device or pipe, which is written directly.
    public init(path: String) throws(TableError) {
        // A link stays a link: what it points to is replaced.
        let isRegular = !FileFormat.isPipe(path)
        let path = isRegular ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
        self.path = path
        var isDirectory: ObjCBool = false
        if unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
            throw TableError(file: path, message: "is a directory", advice: "name a file in it")
        }
        guard isRegular else {
            guard let handle = path == "/dev/stdout" ? .standardOutput : FileHandle(forWritingAtPath: path) else {
                throw TableError(file: path, message: "can't be written")
            }
            (hidden, self.handle, descriptor) = (nil, handle, handle.fileDescriptor)
            return
        }
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        NewFile.removeLeftovers(of: path, in: directory)
        guard
            let hidden = HiddenFile(
                directory: directory, temporary: path + NewFile.part + String(getpid()), permissions: 0o666)
        else {
            throw TableError(file: path, message: "can't be written", advice: "does its directory exist?")
        }
        (self.hidden, handle, descriptor) = (hidden, nil, hidden.descriptor)
    }

    private static let part = ".part-"

    /// Removes what killed runs left behind on systems where such files need names: a name ends with the number of the
    /// process that used it.
    private static func removeLeftovers(of path: String, in directory: String) {
        let prefix = URL(fileURLWithPath: path).lastPathComponent + part
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] where name.hasPrefix(prefix)
        {
            guard let process = Int32(name.dropFirst(prefix.count)),
                process == getpid() || kill(process, 0) != 0 && errno == ESRCH
            else { continue }
            let leftover = "\(directory)/\(name)", file = unsafe Foundation.open(leftover, O_RDONLY | O_NOFOLLOW)
            guard file >= 0 else { continue }
            // A process of another container may have that number.
            if flock(file, LOCK_EX | LOCK_NB) == 0 { unsafe unlink(leftover) }
            close(file)
        }
    }

    /// A file and a writer for it.
    ///
    /// - Parameter path: its name says layout and compression; nil is standard output, as CSV.
    static func open(_ path: String?) throws(TableError) -> (
        writer: ByteWriter, file: NewFile, layout: FileFormat.Layout
    ) {
        let path = path ?? "/dev/stdout"
        let format = try FileFormat(path: path)
        let file = try NewFile(path: path)
        return (
            try ByteWriter(format.compression, name: path) { bytes throws(TableError) in try file.write(bytes) }, file,
            format.layout
        )
    }

    /// Writes all of the bytes, following those written before.
    public func write(_ bytes: [UInt8]) throws(TableError) {
        var written = 0
        let fault = unsafe bytes.withUnsafeBytes { memory -> Int32? in
            while written < memory.count {
                let count = unsafe Foundation.write(descriptor, memory.baseAddress! + written, memory.count - written)
                if count < 0, errno == EINTR { continue }
                if count < 0 { return errno }
                written += count
            }
            return nil
        }
        if let fault { throw failed(fault) }
    }

    /// Makes the file appear, replacing an old one.
    public func publish() throws(TableError) {
        if let hidden {
            guard hidden.appear(as: path, replacing: true) else { throw failed(errno) }
            return
        }
        guard path != "/dev/stdout" else { return }
        do { try handle?.close() } catch {
            throw TableError(file: path, message: "writing failed: \(error.localizedDescription)")
        }
    }

    private func failed(_ fault: Int32) -> TableError {
        TableError(
            file: path,
            message: "writing failed: \(POSIXError(POSIXErrorCode(rawValue: fault) ?? .EIO).localizedDescription)")
    }
}
