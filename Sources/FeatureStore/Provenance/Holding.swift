internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import SegmentFormat
internal import StoreRecord

/// An owner of tables that hold rows or values: which tables are its own, how the rows of an entity leave them, and how
/// their content is verified.
///
/// `erase` and `checkHistory` ask each holding in turn, inside their transaction; a test requires one owner for each
/// table of the database.
protocol Holding {
    /// Its tables, as `schema.name`; `schema.*` stands for all of a schema.
    static var tables: [String] { get }
    /// Tables whose pages still hold what was deleted, until PostgreSQL vacuums them.
    static var vacuumed: [String] { get }

    /// Removes what is kept of rows that are gone, and adds what it removed to `done`.
    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws

    /// Checks whether what is kept is what it was, or what its rows make.
    static func verify(_ work: inout HistoryWork) throws
}

extension Holding {
    static var vacuumed: [String] { [] }
    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {}
    static func verify(_ work: inout HistoryWork) throws {}
}

/// All holdings, each after those that it follows from: verified in this order, erased in reverse.
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

/// A verification of the history, and what it has found so far.
struct HistoryWork {
    let connection: Connection
    /// Hashes that were once the head of the ledger or of a log.
    let heads: [String]
    /// Whether everything is compared, instead of a sample.
    let all: Bool
    let threads: Int
    let temporaryDirectory: String
    let training: StoreTraining
    let progress: (String, Int) -> Void
    var check = HistoryCheck()
    /// The registry; nil until it has been read.
    var catalog: Catalog?
    /// Snapshots to be computed again once the transaction has ended.
    var snapshots: [String] = []
    /// Whether what was found makes it impossible to check the rest.
    var isOver = false

    /// How many entities or values are compared; nil for all.
    var sampleOfEntities: Int? { all ? nil : 200 }

    /// Runs `body`; a NULL where there can't be one is a fault like any other.
    mutating func noting(_ body: (inout HistoryWork) throws -> Void) throws {
        do { try body(&self) } catch let error as PostgresError where error.isDamagedValue {
            check.faults.append(error.message)
            if catalog == nil { isOver = true }
        }
    }
}
