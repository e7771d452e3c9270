internal import FeatureLanguage
internal import Foundation
internal import SegmentFormat
internal import Synchronization
internal import Tables

/// Copies of segments' blocks on this machine, uncompressed, so that reading one is reading a file.
///
/// They are named by address, in a directory for each store. Several processes can share them: a file appears whole and
/// never changes, and it may be deleted while it is read. Deleting them is safe at any time.
public final class SegmentCache: Sendable {
    private let root: String
    private let maximumBytes: Int
    /// The bytes found when they were last counted, and those we added since; nil before they were counted.
    private let size = Mutex<(counted: Int, added: Int)?>(nil)

    /// - Parameters:
    ///   - directory: created with the first file.
    ///   - maximumBytes: beyond this, the least recently used files are deleted.
    public init(directory: String, maximumBytes: Int) {
        root = directory
        self.maximumBytes = maximumBytes
    }

    private func path(_ store: String, _ address: [UInt8]) -> String { "\(root)/\(store)/\(address.hexadecimal).arrow" }

    /// A block's file; nil if it isn't here, or isn't whole, in which case it is deleted.
    func read(_ block: SegmentBlock, of store: String) -> PlainBlock? {
        let path = path(store, block.address)
        let file = unsafe open(path, O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        // Not mapped: with pages of 4 KiB, mapping costs more than copying.
        guard let bytes = wholeFile(file, block.bytes), let plain = PlainBlock(bytes, block) else {
            unsafe unlink(path)
            return nil
        }
        // The time of last use decides which file goes first.
        futimens(file, nil)
        return plain
    }

    /// A file's bytes; nil if it has a different size.
    private func wholeFile(_ file: Int32, _ bytes: Int) -> [UInt8]? {
        var status = stat()
        guard unsafe fstat(file, &status) == 0, Int(status.st_size) == bytes else { return nil }
        return WholeFile.read(bytes, from: file)
    }

    /// Keeps a file. If it can't be written, that is no fault: the next reader asks the store.
    func write(_ bytes: [UInt8], for block: SegmentBlock, of store: String) {
        guard bytes.count <= maximumBytes else { return }
        let path = path(store, block.address)
        let directory = "\(root)/\(store)"
        func file() -> HiddenFile? {
            HiddenFile(directory: directory, temporary: "\(directory)/\(UUID().uuidString).part", permissions: 0o600)
        }
        var made = file()
        if made == nil {
            try? FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            made = file()
        }
        guard let file = made, WholeFile.write(bytes, to: file.descriptor), file.appear(as: path, replacing: false)
        else { return }
        makeRoom(bytes.count)
    }

    /// If there is too much, deletes the least recently used files until a tenth of the limit is free.
    private func makeRoom(_ added: Int) {
        size.withLock { size in
            // Other processes add files too: after we added a tenth of the limit, everything is counted again.
            if let known = size, known.added <= maximumBytes / 10, known.counted + known.added + added <= maximumBytes {
                size = (known.counted, known.added + added)
                return
            }
            let files = files()
            var total = files.reduce(0) { $0 + $1.bytes }
            if total > maximumBytes {
                for file in files.sorted(by: { $0.used < $1.used }) where total > maximumBytes / 10 * 9 {
                    unsafe unlink(file.path)
                    total -= file.bytes
                }
            }
            size = (total, 0)
        }
    }

    /// Our files: `<store>/<address>.arrow`, and what was cut short. Other files may be in the same directory.
    private func files() -> [(path: String, bytes: Int, used: Date)] {
        let manager = FileManager.default
        var files: [(path: String, bytes: Int, used: Date)] = []
        for store in (try? manager.contentsOfDirectory(atPath: root)) ?? [] where UUID(uuidString: store) != nil {
            for name in (try? manager.contentsOfDirectory(atPath: "\(root)/\(store)")) ?? [] {
                let isPart = name.hasSuffix(".part") && UUID(uuidString: String(name.dropLast(5))) != nil
                guard isPart || SegmentCache.address(name) != nil else { continue }
                let path = "\(root)/\(store)/\(name)"
                guard let attributes = try? manager.attributesOfItem(atPath: path),
                    attributes[.type] as? FileAttributeType == .typeRegular
                else { continue }
                files.append(
                    (
                        path, (attributes[.size] as? NSNumber)?.intValue ?? 0,
                        attributes[.modificationDate] as? Date ?? .distantPast
                    ))
            }
        }
        return files
    }

    /// A block's address, from the name of its file.
    private static func address(_ name: String) -> [UInt8]? {
        name.hasSuffix(".arrow") && name.utf8.count == 70 ? [UInt8](hexadecimal: name.dropLast(6)) : nil
    }

    /// How many copies there are and how many bytes they take up, for a listing.
    public func contents() -> (files: Int, bytes: Int) {
        let files = files()
        return (files.count, files.reduce(0) { $0 + $1.bytes })
    }

    /// Whether copies can be kept here, if any are allowed: the directory exists or can be created, and is writable.
    package var isUsable: Bool {
        guard maximumBytes > 0 else { return true }
        var path = URL(fileURLWithPath: root)
        while path.path != "/", !FileManager.default.fileExists(atPath: path.path) { path.deleteLastPathComponent() }
        var isDirectory: ObjCBool = false
        return unsafe FileManager.default.fileExists(atPath: path.path, isDirectory: &isDirectory)
            && isDirectory.boolValue && FileManager.default.isWritableFile(atPath: path.path)
    }

    /// Where copies are, for people.
    package var place: String { root }

    /// Deletes the copies of every store.
    public func clear() {
        for file in files() { unsafe unlink(file.path) }
        size.withLock { $0 = nil }
    }

    /// Deletes the copies of a store's blocks that its list no longer names.
    ///
    /// - Parameters:
    ///   - state: the state of the store's list; nothing is asked if it is the same as last time.
    ///   - listed: returns which of some addresses the list names.
    func evict(of store: String, state: String, listed: ([[UInt8]]) throws -> Set<[UInt8]>) rethrows {
        let directory = "\(root)/\(store)", marker = "\(directory)/list"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else { return }
        if let last = try? String(contentsOfFile: marker, encoding: .utf8), last == state { return }
        let addresses = names.compactMap(SegmentCache.address)
        let kept = try listed(addresses)
        for address in addresses where !kept.contains(address) { unsafe unlink(path(store, address)) }
        try? state.write(toFile: marker, atomically: true, encoding: .utf8)
    }
}
