internal import FeatureLanguage

/// Where a plan's rows come from: segments, tables, files, tests.
public protocol RowSupply {
    /// The rows of a group's source: at least those of the spine's entities that its windows reach, and every version
    /// of their facts. Called for one group after another, so that only one group's rows are held.
    func buckets(for group: Plan.Group) throws -> any RowBuckets
}

/// A group's rows in buckets by hash of their keys, each bucket complete in itself.
public protocol RowBuckets: Sendable {
    /// How many buckets there are, a power of two. Bucket `i` holds the rows whose hash begins with the bits of `i`.
    var count: Int { get }
    /// The source's columns whose hash assigns rows to buckets, in their order; the group compares each with a column
    /// of the spine.
    var keys: [String] { get }

    /// A bucket's rows. Called from several threads at once, for buckets in which the spine has entities.
    func rows(ofBucket bucket: Int) throws -> any BucketRows
}

/// A bucket's rows, part after part, so that a key with many rows needn't be held whole.
public protocol BucketRows {
    /// The next part; nil after the last, and there is at least one. A bucket of several parts is sorted by key and
    /// time throughout, and no two of its rows are versions of one fact.
    mutating func next() throws -> SourceRows?
}

/// All rows in one bucket.
public struct OneBucket: RowBuckets {
    private let all: SourceRows
    /// Always 1.
    public let count = 1
    /// Empty: nothing has to be hashed.
    public let keys: [String] = []

    /// Takes all rows of a group, in any order.
    public init(_ rows: SourceRows) {
        all = rows
    }

    /// All rows, in one part.
    public func rows(ofBucket bucket: Int) -> any BucketRows { OnePart(all) }
}

/// A bucket's rows in one piece, handed out once.
public struct OnePart: BucketRows {
    private var rows: SourceRows?

    /// Takes a whole bucket, which may be empty.
    public init(_ rows: SourceRows) {
        self.rows = rows
    }

    public mutating func next() -> SourceRows? {
        defer { rows = nil }
        return rows
    }
}

/// How keys are divided into buckets.
public enum Buckets {
    /// The bucket of each of `count` tuples of key columns; tuples with a NULL go to the first bucket.
    ///
    /// - Parameter buckets: how many there are, a power of two.
    public static func assign(_ keys: [Column], count: Int, buckets: Int) -> [Int32] {
        precondition(buckets > 0 && buckets & (buckets - 1) == 0, "\(buckets) buckets: not a power of two")
        let shift = UInt64(64 - buckets.trailingZeroBitCount)
        if buckets == 1 { return Array(repeating: 0, count: count) }
        return TupleColumn.hashes(keys, count: count).map { Int32(truncatingIfNeeded: $0 >> shift) }
    }

    /// The rows of each bucket, in ascending order.
    public static func members(_ assigned: [Int32], buckets: Int) -> [[Int32]] {
        var counts = Array(repeating: 0, count: buckets)
        for bucket in assigned { counts[Int(bucket)] += 1 }
        var members = counts.map { count -> [Int32] in
            var rows: [Int32] = []
            rows.reserveCapacity(count)
            return rows
        }
        for (row, bucket) in assigned.enumerated() { members[Int(bucket)].append(Int32(row)) }
        return members
    }
}
