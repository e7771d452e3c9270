public import FeatureLanguage
internal import Crypto
internal import Foundation
internal import Synchronization
public import Tables

/// Where rows come from on their way into a source's log: a file, a body, a query. What is known about the origin is
/// kept with the batch.
///
/// When rows are known, and which ones repeat earlier ones, is decided in one place for all origins: `BatchWriter`.
public protocol RowOrigin: Sendable {
    /// What it is called in the ledger and in errors.
    var name: String { get }
    /// SHA-256 of its bytes if known before they are read: what was taken before is then refused at once.
    var digest: [UInt8]? { get }
    /// The offset at which the log still has to end; nil if it may go on meanwhile.
    var expectedEnd: Int64? { get }
    /// What else the ledger says about it.
    var notes: [JSON.Member] { get }
    /// What the batch says about where its rows came from.
    var about: [JSON.Member] { get }

    /// Opens it for a source's columns.
    func open(_ schema: TableReader.Schema, _ options: ReadOptions) throws -> TableReader

    /// SHA-256 of its bytes, once all rows were read; nil if repeats can't be recognized.
    func digest(of reader: TableReader) throws -> [UInt8]?
}

extension RowOrigin {
    /// By default, nothing is known before the bytes are read.
    public var digest: [UInt8]? { nil }
    /// By default, the log may go on meanwhile.
    public var expectedEnd: Int64? { nil }
    /// By default, the ledger says nothing else.
    public var notes: [JSON.Member] { [] }
    /// By default, the digest that was known before.
    public func digest(of reader: TableReader) throws -> [UInt8]? { digest }
}

/// A file on this machine, read once: what is hashed is what is taken in, even if somebody writes to it meanwhile. A
/// pipe has no digest.
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

/// Rows that somebody else opens, such as a request's body.
struct OpenedOrigin: RowOrigin {
    let name: String
    let digest: [UInt8]?
    var expectedEnd: Int64?
    var notes: [JSON.Member] = []
    let about: [JSON.Member]
    let read: @Sendable (TableReader.Schema) throws -> TableReader

    func open(_ schema: TableReader.Schema, _ options: ReadOptions) throws -> TableReader { try read(schema) }
}
