internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import SegmentFormat
internal import StoreRecord

/// Whoever keeps rows or values: which tables are its own, how the rows of an entity leave them, and how what they hold
/// is verified.
///
/// `erase` and `checkHistory` ask each in its turn, inside their transaction; a test demands one owner for each table
/// of the database.
protocol Holding {
    /// Its tables, as `schema.name`; `schema.*` for all of a schema.
    static var tables: [String] { get }
    /// Tables whose pages still hold what was deleted: PostgreSQL is told to forget it.
    static var vacuumed: [String] { get }

    /// Takes away what is kept of rows that are gone, and says what it took.
    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws

    /// Looks whether what is kept is what it was, or what its rows make.
    static func verify(_ work: inout HistoryWork) throws
}

extension Holding {
    static var vacuumed: [String] { [] }
    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {}
    static func verify(_ work: inout HistoryWork) throws {}
}

/// All that keep something, from what others follow from to what follows: verified in this order, erased in the
/// reverse.
package enum Holdings {
    static var all: [any Holding.Type] {
        [
            RecordHolding.self, SourceHolding.self, SegmentHolding.self, OnlineHolding.self, ValuesHolding.self,
            ResultHolding.self, ReceiptHolding.self, SpineHolding.self,
        ]
    }

    /// The tables that each owns, as `schema.name` or `schema.*`.
    package static var tables: [[String]] { all.map { $0.tables } }
}

/// What an erasure has done so far.
struct ErasedSoFar {
    var erasure: Erasure
    var batches: [ErasureRecord.Batch] = []
    var snapshots: [ErasureRecord.Snapshot] = []
    var spines: [ErasureRecord.Spine] = []
    var runs: [ErasureRecord.Run] = []
}

/// A verification of the history, and what was found so far.
struct HistoryWork {
    let connection: Connection
    /// Hashes that the ledger or a log had once.
    let heads: [String]
    /// Everything is compared, not a sample.
    let all: Bool
    let threads: Int
    let temporaryDirectory: String
    let training: StoreTraining
    let progress: (String, Int) -> Void
    var check = HistoryCheck()
    /// Nil until the registry was found to be one.
    var catalog: Catalog?
    /// Snapshots that are computed again once the transaction has ended.
    var snapshots: [String] = []
    /// Whether what comes next can't be computed of what was found.
    var isOver = false

    /// How many entities and values are compared; nil for all.
    var sampleOfEntities: Int? { all ? nil : 200 }

    /// Runs `body`; a NULL where there can be none is a fault like any other.
    mutating func noting(_ body: (inout HistoryWork) throws -> Void) throws {
        do { try body(&self) } catch let error as PostgresError where error.isDamagedValue {
            check.faults.append(error.message)
            if catalog == nil { isOver = true }
        }
    }
}
