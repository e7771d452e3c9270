/// What recomputing the history found.
public struct HistoryCheck: Sendable {
    /// How many ledger entries, definitions, batches and rows were checked.
    public var entries = 0, definitions = 0, batches = 0, rows = 0
    /// Snapshots that were recomputed, and blocks of segments that were read.
    public var snapshots = 0, blocks = 0
    /// What is kept for lookups and was compared: entities of online state, and rows of current values.
    public var entities = 0, values = 0
    /// The ledger's newest hash, in hexadecimal. Someone who writes it down elsewhere can check the past against it
    /// later.
    public var ledgerHead = ""
    /// The newest hash of each source's log, in hexadecimal; empty for a log without batches.
    public var logHeads: [String: String] = [:]
    /// The first fault of each kind; empty if everything holds.
    public var faults: [String] = []

    package init(
        entries: Int = 0, definitions: Int = 0, batches: Int = 0, rows: Int = 0, snapshots: Int = 0, blocks: Int = 0,
        entities: Int = 0, values: Int = 0, ledgerHead: String = "",
        logHeads: [String: String] = [:], faults: [String] = []
    ) {
        self.entries = entries
        self.definitions = definitions
        self.batches = batches
        self.rows = rows
        self.snapshots = snapshots
        self.blocks = blocks
        self.entities = entities
        self.values = values
        self.ledgerHead = ledgerHead
        self.logHeads = logHeads
        self.faults = faults
    }
}
