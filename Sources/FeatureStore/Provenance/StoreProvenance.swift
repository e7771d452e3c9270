public import StoreRecord
internal import StoreRows

/// The ledger, lineage, erasure, and verification.
public struct StoreProvenance: StorePart {
    package let context: StoreContext
    let log: StoreLog
    let training: StoreTraining
    let serving: StoreServing
}

extension StoreProvenance {
    /// Entries of the ledger, the newest first.
    ///
    /// - Parameters:
    ///   - subject: what they are about (`feature spend_7d.v1`), or its name alone; nil for all.
    ///   - kind: such as `register` or `import`; nil for all.
    ///   - before: only entries with smaller numbers, to continue from an earlier call; nil for all.
    ///   - count: at most this many.
    public func ledger(subject: String? = nil, kind: String? = nil, before: Int64? = nil, count: Int = 100) async throws
        -> [LedgerEntry]
    {
        try await ledgerEntries(subject: subject, kind: kind, before: before, count: count)
    }

    /// The ledger's newest entry; nil in an empty store.
    public func ledgerHead() async throws -> LedgerEntry? { try await ledger(count: 1).first }
}
