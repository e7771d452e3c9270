internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import ServingMemory

/// Receipts of lookups.
enum ReceiptHolding: Holding {
    static let tables = ["firn_log.*"]
    static let vacuumed = ["firn_log.lookups"]

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        done.erasure.receipts = try delete(gone, whom)
    }

    /// What receipts asked for, compiled, and the columns in it that carry the entity's keys.
    private struct Asked {
        var plan: Plan
        var own: [[String]]
    }

    /// Deletes receipts that asked for the entity, or whose values came from rows that are gone and can't be computed
    /// again; returns how many.
    private static func delete(_ gone: GoneRows, _ whom: ErasedEntity) throws -> Int {
        let connection = gone.connection, catalog = whom.catalog
        var after = LoggedLookup.first, count = 0, sets: [LookupRequest.Target: Asked] = [:]
        while true {
            let rows = try LoggedLookup.page(after: after, connection)
            var deleted: [Parameter] = []
            for row in rows.map({ $0 }) {
                try Task.checkCancellation()
                let logged = try LoggedLookup(row)
                after = logged.receipt
                let asked: Asked
                if let known = sets[logged.target] {
                    asked = known
                } else {
                    let set = try logged.target.resolve(catalog).served
                    asked = Asked(plan: Plan(set, in: catalog), own: whom.carriers(in: set))
                    sets[logged.target] = asked
                }
                guard !asked.own.isEmpty || asked.plan.sources.contains(where: gone.sources.contains),
                    let read = logged.read(asked.plan)
                else { continue }
                if try !SpineReaders(read.0, asked.plan, asked.own, whom.key, logged.cuts, gone).all.isEmpty {
                    deleted.append(.text(logged.receipt))
                }
            }
            if !deleted.isEmpty {
                try connection.execute(
                    "delete from firn_log.lookups where receipt = any(\(.array(.text, deleted))::uuid[])")
            }
            count += deleted.count
            if rows.count < LoggedLookup.pageRows { return count }
        }
    }
}
