internal import Crypto
internal import Foundation
internal import Synchronization
public import Tables

/// Where rows come from on their way into a source's log: a file, a body, a query. What is known of it is kept with the
/// batch.
///
/// When rows are known and what is a repeat of an earlier one is decided in one place for all of them, `BatchWriter`.
public protocol RowOrigin: Sendable {
    /// What it is called, in the ledger and in errors.
    var name: String { get }
    /// SHA-256 of its bytes, where that is known before they are read: what was taken before is refused at once.
    var digest: [UInt8]? { get }
    /// The offset at which the log has to end still; nil where it may go on meanwhile.
    var expectedEnd: Int64? { get }
    /// What more the ledger says of it.
    var notes: [JSON.Member] { get }
    /// What the batch says of where its rows came from.
    var about: [JSON.Member] { get }

    /// Opens it for a source's columns.
    func open(_ schema: TableReader.Schema, _ options: ReadOptions) throws -> TableReader

    /// SHA-256 of its bytes, once all rows were read; nil where they can't be told again.
    func digest(of reader: TableReader) throws -> [UInt8]?
}

extension RowOrigin {
    public var digest: [UInt8]? { nil }
    public var expectedEnd: Int64? { nil }
    public var notes: [JSON.Member] { [] }
    public func digest(of reader: TableReader) throws -> [UInt8]? { digest }
}

/// A file of this machine, read once: what is hashed is what is taken in, whoever writes to it meanwhile. A pipe has no
/// digest.
final class FileOrigin: RowOrigin {
    let name: String
    private let hash = Mutex(SHA256())

    init(_ path: String) {
        name = path
    }

    var about: [JSON.Member] { [JSON.Member("file", .string(URL(fileURLWithPath: name).lastPathComponent))] }

    func open(_ schema: TableReader.Schema, _ options: ReadOptions) throws -> TableReader {
        try TableReader(path: name, schema: schema, options: options) { [self] piece in
            hash.withLock { $0.update(data: piece) }
        }
    }

    func digest(of reader: TableReader) throws -> [UInt8]? {
        if FileFormat.isPipe(name) { return nil }
        try reader.bytes.drain()
        return hash.withLock { Array($0.finalize()) }
    }
}

/// Rows that somebody else opens, such as the body of a request.
struct OpenedOrigin: RowOrigin {
    let name: String
    let digest: [UInt8]?
    var expectedEnd: Int64?
    var notes: [JSON.Member] = []
    let about: [JSON.Member]
    let read: @Sendable (TableReader.Schema) throws -> TableReader

    func open(_ schema: TableReader.Schema, _ options: ReadOptions) throws -> TableReader { try read(schema) }
}
