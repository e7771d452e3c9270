internal import ArrowIPC
internal import FeatureEngine
internal import Foundation
internal import StoreRecord

/// Rows put aside by bucket, in a file without a name that vanishes with the process.
final class Spill {
    private let file: Int32
    private var end = 0
    /// Where each bucket's batches are.
    private var extents: [[Range<Int>]]
    private let fields: [ArrowField]

    /// - Parameter directory: where temporary files go.
    init(buckets: Int, fields: [ArrowField], directory: String) throws {
        self.fields = fields
        extents = Array(repeating: [], count: buckets)
        let path = "\(directory)/firn-spill-\(UUID().uuidString)"
        file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else {
            throw StoreError(
                .invalidRequest, "no temporary file can be made in \(directory)",
                advice: "TMPDIR names another directory")
        }
        unsafe unlink(path)
    }

    deinit { close(file) }

    func append(_ columns: [Column], rowCount: Int, bucket: Int) throws {
        var bytes: [UInt8] = []
        var writer = try ArrowWriter(.stream, fields: fields) { bytes += $0 }
        try writer.write(columns, rowCount: rowCount)
        try writer.finish()
        guard WholeFile.write(bytes, to: file, at: end) else {
            throw StoreError(
                .invalidRequest, "a temporary file can't be written",
                advice: "is the disk of the temporary directory full?")
        }
        extents[bucket].append(end..<end + bytes.count)
        end += bytes.count
    }

    /// A bucket's batches, in the order in which they came.
    func batches(_ bucket: Int) throws -> [[Column]] {
        var batches: [[Column]] = []
        for extent in extents[bucket] {
            guard var piece = WholeFile.read(extent.count, from: file, at: extent.lowerBound).map(Optional.some) else {
                throw StoreError(.damaged, "a temporary file can't be read")
            }
            var reader = try ArrowReader(.stream) {
                defer { piece = nil }
                return piece
            }
            while let (columns, _) = try reader.next() {
                batches.append(try zip(fields, columns).map { try $0.own($1) })
            }
        }
        return batches
    }
}
