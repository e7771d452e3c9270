internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
public import Tables

extension StoreLog {
    /// What an import did.
    public struct Imported: Sendable {
        /// How many rows were taken in.
        public var rows: Int
        /// How many rows were dropped because they were there already; 0 for a source without an id.
        public var duplicates: Int
        /// The end of the source's log after the import: a lookup with this cut sees its rows.
        public var lastOffset: Int64
        /// Sentences for whoever ran the import: columns that are absent, rows held back, rows known late.
        public var warnings: [String]
        /// What became of a query's watermark; nil for an import without one.
        public var watermark: ImportedWatermark?
    }

    /// How an import reads its rows, and when they count as known.
    public struct ImportOptions: Sendable {
        /// How values are read: NULL, times as numbers, the delimiter, columns that the source doesn't declare.
        public var reading: ReadOptions
        /// Whether rows count as known from now on, as if they were pushed.
        public var knownNow: Bool
        /// Whether to take a file that was imported before.
        public var again: Bool

        /// By default, rows are known when the source says, and a file is taken only once.
        public init(reading: ReadOptions = ReadOptions(), knownNow: Bool = false, again: Bool = false) {
            self.reading = reading
            self.knownNow = knownNow
            self.again = again
        }
    }

    /// Takes a file's rows into a source, in one transaction: all of them or none.
    ///
    /// - Parameter progress: called now and then with the rows so far, the bytes read, and the file's size if it is
    ///   known.
    /// - Throws: the first bad row by line and column; `duplicateFile` for a file that was imported before.
    public func importFile(
        _ path: String, into name: String, options: ImportOptions = ImportOptions(),
        progress: @escaping @Sendable (Int, Int, Int?) -> Void = { _, _, _ in }
    ) async throws -> Imported {
        try await take(from: FileOrigin(path), into: name, options: options, progress: progress)
    }

    /// Imports rows that aren't in a file on this machine.
    ///
    /// - Parameters:
    ///   - file: what they are called in the ledger and in errors.
    ///   - digest: their SHA-256; nil if repeats can't be recognized.
    ///   - read: opens them for the source's columns.
    public func importRows(
        into name: String, file: String, digest: [UInt8]?, options: ImportOptions = ImportOptions(),
        progress: @escaping @Sendable (Int, Int, Int?) -> Void = { _, _, _ in },
        read: @escaping @Sendable (TableReader.Schema) throws -> TableReader
    ) async throws -> Imported {
        let origin = OpenedOrigin(
            name: file, digest: digest,
            about: [JSON.Member("body", .string(URL(fileURLWithPath: file).lastPathComponent))], read: read)
        return try await take(from: origin, into: name, options: options, progress: progress)
    }

    /// Takes an origin's rows into a source, in one transaction: all of them or none.
    ///
    /// - Parameter progress: called now and then with the rows so far, the bytes read, and the size if it is known.
    /// - Throws: the first bad row by line and column; `duplicateFile` for bytes that were imported before;
    ///   `conflictingRow` if the log went on although it wasn't supposed to.
    public func take(
        from origin: some RowOrigin, into name: String, options: ImportOptions = ImportOptions(),
        progress: @escaping @Sendable (Int, Int, Int?) -> Void = { _, _, _ in }
    ) async throws -> Imported {
        let actor = actor, path = origin.name
        let imported = try await withCatalog { connection, catalog in
            let source = try catalog.source(named: name)
            let schema = TableReader.Schema(importing: source, keys: catalog.keyColumns(of: name))
            var reader = try origin.open(schema, options.reading)
            var warnings: [String] = []
            let written = try BatchWriter.explaining(source) {
                try connection.transaction {
                    try refuseAgain(origin.digest, path, source, options, connection)
                    // Rows that say themselves when they were known need no word about it.
                    let warning =
                        reader.names.contains(Source.knownAtColumn)
                        ? nil : try unknownTimes(source, options, connection)
                    let writer = try BatchWriter(
                        source, connection, knownNow: options.knownNow && !source.isStatic,
                        numbers: BatchLog.numbers(1, connection),
                        wantsDelay: !source.isStatic
                            && (options.knownNow || source.knownAt.isColumn
                                || reader.names.contains(Source.knownAtColumn))
                    )
                    try writer.write {
                        try Task.checkCancellation()
                        let rows = try reader.next()
                        progress(writer.count, reader.bytes.bytesRead, reader.bytes.size)
                        return rows
                    }
                    if writer.count > 0 {
                        warnings +=
                            reader.absent.map { "column '\($0)' isn't in \(path): it is NULL in every row" }
                            + (warning.map { [$0] } ?? [])
                    }
                    let ledger = Ledger(connection: connection, actor: actor), digest = try origin.digest(of: reader)
                    let kept = BatchLog.Origin(
                        actor: actor, fileDigest: digest,
                        origin: JSON.object(origin.about.sorted { $0.key < $1.key }).description)
                    let written = try writer.finish(.import, [kept], beforeLock: ledger.lock) { head in
                        // Somebody else may have taken in the same bytes since we looked.
                        try refuseAgain(digest, path, source, options, connection)
                        if let expected = origin.expectedEnd, head != expected {
                            throw StoreError(
                                .conflictingRow,
                                "rows came into \(name) while the query ran: some of its rows may be there already",
                                advice: "run it again")
                        }
                    }[0]
                    if writer.count > 0 {
                        let body = StoreLog.record(written, of: origin, digest, options)
                        _ = try ledger.append(kind: "import", subject: "source \(name)", body: body.description)
                    }
                    if let delay = writer.medianDelay, delay > SourceDelay.long {
                        warnings.append(
                            "half of these rows were known \(delay.rough) or more after they happened, and as served count only from then on: if that is when a history was loaded, "
                                + "it hides it from training; firn why shows when each row was known")
                    }
                    return written
                }
            }
            return Imported(
                rows: written.accepted, duplicates: written.duplicates, lastOffset: written.lastOffset,
                warnings: warnings)
        }
        pushes().committed(name, nil, imported.lastOffset)
        return imported
    }
}

extension StoreLog {
    /// What the ledger says of an import.
    private static func record(
        _ written: BatchWriter.Written, of origin: any RowOrigin, _ digest: [UInt8]?, _ options: ImportOptions
    ) -> JSON {
        let members = [
            JSON.Member("duplicates", JSON(written.duplicates)),
            JSON.Member("file", .string(URL(fileURLWithPath: origin.name).lastPathComponent)),
            JSON.Member("file_digest", JSON(digest?.hexadecimal)), JSON.Member("known_now", .bool(options.knownNow)),
            JSON.Member("last_offset", JSON(written.lastOffset)), JSON.Member("rows", JSON(written.accepted)),
        ]
        return .object((members + origin.notes).sorted { $0.key < $1.key })
    }
}

private func refuseAgain(
    _ digest: [UInt8]?, _ path: String, _ source: Source, _ options: StoreLog.ImportOptions, _ connection: Connection
) throws {
    guard let digest, !options.again else { return }
    let earlier = try connection.execute(
        "select committed_at::text from firn.batches where source = \(source.name) and file_digest = \(digest) limit 1")
    if let row = earlier.first {
        throw try StoreError(
            .duplicateFile, "\(path) was imported into \(source.name) before, at \(row.text(0))",
            advice: options.reading.names.advice("again") { "\($0) takes it once more" })
    }
}

/// What to say about a second import whose rows claim to have been known when serving didn't have them.
private func unknownTimes(_ source: Source, _ options: StoreLog.ImportOptions, _ connection: Connection) throws
    -> String?
{
    guard source.knownAt == .eventTime, !source.isStatic, !options.knownNow else { return nil }
    guard
        try connection.execute("select from firn.batches where source = \(source.name) and kind = 'import' limit 1")
            .count > 0
    else { return nil }
    let otherwise = options.reading.names.advice("known-now") { ", or import with \($0)" } ?? ""
    return
        "source \(source.name) has no known_at: these rows count as known since their event times, though serving didn't have them then; set known_at\(otherwise)"
}
