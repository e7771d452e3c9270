internal import CLibPQ

/// Statements that travel together: one round trip for all of them, however many there are.
extension Connection {
    /// Postpones a statement until the next one is executed, and sends it along with that one, which also throws its
    /// errors.
    public func later(_ sql: SQL) { deferred.append(sql) }

    /// Sends the postponed statements.
    func flush() throws(PostgresError) { if !deferred.isEmpty { _ = try pipeline(takeDeferred()) } }

    func takeDeferred() -> [SQL] {
        defer { deferred = [] }
        return deferred
    }

    /// Runs statements in one round trip, each prepared once for the connection. After one fails, none of the rest are
    /// run.
    ///
    /// Answers must be short: they are read only once everything has been sent.
    ///
    /// - Throws: the error of the first statement that fails.
    public func pipeline(_ statements: [SQL]) throws(PostgresError) -> [Rows] {
        let before = takeDeferred()
        if !before.isEmpty { return Array(try pipeline(before + statements).dropFirst(before.count)) }
        if isStreaming {
            // Any statement outside a pipeline ends that mode.
            try sendOff(unsafe PQsendQuery(handle, ""))
            try skipResults()
            isStreaming = false
        }
        guard !isGivenUp else { throw .tooSlow }
        guard unsafe PQenterPipelineMode(handle) == 1 else { throw failure() }
        var fresh: [String] = [], isWanted: [Bool] = []
        for sql in statements {
            let text = sql.text, bound = BoundValues(sql.parameters), count = Int32(sql.parameters.count)
            let known = prepared[text], name = known ?? newName(for: text)
            if known == nil {
                fresh.append(text)
                isWanted.append(false)
                guard
                    unsafe bound.withPointers({ types, _, _, _ in unsafe PQsendPrepare(handle, name, text, count, types)
                    }) == 1
                else { throw failure() }
            }
            isWanted.append(true)
            guard
                unsafe bound.withPointers({ _, values, lengths, formats in
                    unsafe PQsendQueryPrepared(handle, name, count, values, lengths, formats, 1)
                }) == 1
            else {
                throw failure()
            }
        }
        try sendOff(unsafe PQpipelineSync(handle))
        var answers: [Rows] = [], fault: PostgresError?
        for isWanted in isWanted {
            guard let result = try unsafe nextResult() else { throw failure() }
            if unsafe PQresultStatus(result) == PGRES_PIPELINE_ABORTED {
                unsafe PQclear(result)
            } else {
                do throws(PostgresError) {
                    let rows = try unsafe check(result)
                    if isWanted { answers.append(rows) }
                } catch {
                    fault = fault ?? error
                }
            }
            // What stands between the results of two statements.
            try skipResults()
        }
        if let sync = try unsafe nextResult() { unsafe PQclear(sync) }
        guard unsafe PQexitPipelineMode(handle) == 1 else { throw fault ?? failure() }
        if let fault {
            // They may never have been prepared.
            for text in fresh { prepared[text] = nil }
            throw fault
        }
        return answers
    }
}
