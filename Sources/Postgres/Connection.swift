internal import CLibPQ
internal import Dispatch
internal import Foundation
internal import Synchronization

/// One connection to PostgreSQL. Calls block and run one after another: a `Session` keeps them off the cooperative
/// threads.
@safe public final class Connection {
    let handle: OpaquePointer
    private var depth = 0
    /// Names of prepared statements, by their text.
    var prepared: [String: String] = [:]
    private var names = 0
    /// Whether all of its statements find their rows by index.
    public let readsByIndex: Bool
    /// Statements postponed until the next one.
    var deferred: [SQL] = []
    /// Whether libpq would hand out the next pipeline's rows one by one, as it did the last stream's: version 15
    /// forgets to stop.
    var isStreaming = false
    /// How long its calls may wait; beyond that, it is given up.
    var deadline: ContinuousClock.Instant?
    /// How long to wait for a cancelled statement: a server that hangs doesn't heed the request.
    let cancelled = CancelledUntil()
    /// Whether it was given up: every later call on it fails.
    private(set) var isGivenUp = false

    /// A program has few statement texts; any beyond that many hold names that users chose.
    private static let mostPrepared = 256

    /// What a connection is for.
    public struct Settings: Sendable {
        /// An expression for the name of the role to act as from the start; nil keeps the user's own.
        public var role: SQL?
        /// A statement that takes longer is given up, with the code 57014.
        public var statementTimeout: Duration?
        /// How long everything that is run with it may take in total; beyond that, a connection whose server doesn't
        /// answer is given up.
        public var deadline: Duration?
        /// Its statements touch few rows each and find them by index: none reads a whole table, whatever the statistics
        /// of one that has just grown may say.
        public var readsByIndex: Bool
        /// Keeps the database's own search path, for queries of its owner.
        public var searches: Bool

        /// Without arguments: no role, no limits, the planner's own choice of plans, and a fixed search path.
        public init(
            role: SQL? = nil, statementTimeout: Duration? = nil, deadline: Duration? = nil, readsByIndex: Bool = false,
            searches: Bool = false
        ) {
            self.role = role
            self.statementTimeout = statementTimeout
            self.deadline = deadline
            self.readsByIndex = readsByIndex
            self.searches = searches
        }
    }

    /// Applies unless the URI says otherwise: a server that doesn't respond is given up.
    private static let patience = [
        ("tcp_user_timeout", "10000"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
    ]

    /// How long the server may take over the first statements.
    private static let greeting = Duration.seconds(10)

    /// How many seconds an attempt to connect may take, for each address.
    private static let attempt = 5.0

    /// - Parameters:
    ///   - uri: `postgresql://…`, as libpq reads it.
    ///   - deadline: until when somebody waits for it.
    /// - Throws: why the server can't be reached; never the URI, which may hold a password.
    public init(uri: String, _ settings: Settings = Settings(), until deadline: ContinuousClock.Instant? = nil)
        throws(PostgresError)
    {
        readsByIndex = settings.readsByIndex
        let attempt = min(Connection.attempt, deadline.map { ($0 - .now) / .seconds(1) } ?? .infinity)
        // libpq takes 0 to mean no limit, and 1 to mean 2. If two words are the same, the later one counts: what the
        // URI says.
        let words = [("connect_timeout", String(max(1, Int(attempt))))] + Connection.patience + [("dbname", uri)]
        guard let handle = unsafe withCStrings(words.map(\.0), words.map(\.1), { unsafe PQconnectdbParams($0, $1, 1) })
        else { throw .unreachable("no memory for a connection") }
        guard unsafe PQstatus(handle) == CONNECTION_OK else {
            let text = unsafe String(cString: PQerrorMessage(handle))
            unsafe PQfinish(handle)
            throw .unreachable(
                "can't reach PostgreSQL: \(text.split(separator: "\n").first.map(String.init) ?? "no reason given")",
                advice: "firn doctor says more")
        }
        unsafe self.handle = unsafe handle
        // Notices are discarded: they would land on standard error.
        _ = unsafe PQsetErrorVerbosity(handle, PQERRORS_TERSE)
        unsafe PQsetNoticeProcessor(handle, { _, _ in }, nil)
        // From here on libpq never waits by itself: `wait` knows for how long.
        _ = unsafe PQsetnonblocking(handle, 1)
        self.deadline = Deadline.earlier(.now + Connection.greeting, deadline)
        defer { self.deadline = nil }
        // If one of these fails, deinit closes the connection.
        _ = try execute("set application_name = 'firn'")
        _ = try execute("set timezone = 'UTC'")
        // What a name means must not depend on a user's settings.
        if !settings.searches { _ = try execute("set search_path = pg_catalog, pg_temp") }
        if readsByIndex {
            _ = try execute(Connection.turn(Connection.scans, "off", isLocal: false))
            _ = try execute("set plan_cache_mode = force_generic_plan")
        }
        if let timeout = settings.statementTimeout {
            _ = try execute("select set_config('statement_timeout', \(String(Int(timeout / .milliseconds(1)))), false)")
        }
        if let role = settings.role {
            do {
                _ = try execute("select set_config('role', \(role), false)")
            } catch {
                throw PostgresError(
                    code: error.code, message: "can't act as the servers' role: \(error.message)",
                    advice: "firn doctor says how to mend it")
            }
        }
    }

    deinit { unsafe PQfinish(handle) }

    /// Whether it is still connected, judging by what the server has sent so far, and has no transaction left open.
    public var isUsable: Bool {
        unsafe !isGivenUp && PQconsumeInput(handle) == 1 && PQstatus(handle) == CONNECTION_OK
            && PQtransactionStatus(handle) == PQTRANS_IDLE
    }

    /// The server's version, such as 150018 for 15.18.
    public var serverVersion: Int { Int(unsafe PQserverVersion(handle)) }

    // MARK: Statements

    /// Runs one statement with its values bound.
    @discardableResult
    public func execute(_ sql: SQL) throws(PostgresError) -> Rows {
        try flush()
        let bound = BoundValues(sql.parameters)
        try sendOff(
            unsafe bound.withPointers { types, values, lengths, formats in
                unsafe PQsendQueryParams(
                    handle, sql.text, Int32(sql.parameters.count), types, values, lengths, formats, 1)
            })
        return try unsafe check(lastResult())
    }

    /// Runs a statement that is run often: it is parsed and planned once for the connection.
    @discardableResult
    public func execute(prepared sql: SQL) throws(PostgresError) -> Rows {
        if prepared.count >= Connection.mostPrepared {
            try execute("deallocate all")
            prepared = [:]
        }
        return try pipeline(takeDeferred() + [sql]).last!
    }

    func newName(for text: String) -> String {
        names += 1
        prepared[text] = "s\(names)"
        return "s\(names)"
    }

    /// The columns that a query returns: names, and types by their number in `pg_type`.
    public func columns(_ sql: SQL) throws(PostgresError) -> [(name: String, type: UInt32)] { try execute(sql).columns }

    /// Runs several statements without values, such as a migration.
    public func run(script: String) throws(PostgresError) {
        try flush()
        try sendOff(unsafe PQsendQuery(handle, script))
        _ = try unsafe check(lastResult())
    }

    // MARK: Waiting

    /// Runs `body`, whose statements may take that long in total.
    public func within<T>(_ duration: Duration, _ body: () throws -> T) rethrows -> T {
        let before = deadline
        deadline = Deadline.earlier(.now + duration, before)
        defer { deadline = before }
        return try body()
    }

    /// Waits until more has arrived from the server, or there is room to send it more.
    ///
    /// - Throws: if it took too long. The connection is then given up, since what still arrives would be taken for the
    ///   answer to something else.
    private func wait(toSend: Bool = false) throws(PostgresError) {
        // The socket doesn't show what TLS has taken in but not yet handed out.
        let isWrapped = unsafe PQsslInUse(handle) == 1 || PQgssEncInUse(handle) == 1
        while true {
            guard !isGivenUp else { throw .tooSlow }
            let socket = unsafe PQsocket(handle)
            // The connection was lost: the next read says why.
            guard socket >= 0 else { return }
            let limit = Deadline.earlier(deadline, cancelled.instant), left = limit.map { $0 - .now }
            // Applies also to a server that keeps sending something.
            if let left, left <= .zero { throw giveUp() }
            // Wakes now and then to see whether it was cancelled meanwhile.
            let longest = isWrapped ? Duration.milliseconds(10) : .seconds(1), pause = min(left ?? longest, longest)
            var watched = pollfd(fd: socket, events: Int16(POLLIN) | (toSend ? Int16(POLLOUT) : 0), revents: 0)
            let count = unsafe poll(&watched, 1, Int32((pause / .milliseconds(1)).rounded(.up)))
            if count > 0 || isWrapped { return }
        }
    }

    private func giveUp() -> PostgresError {
        isGivenUp = true
        // A server that is only waiting for something stops waiting; one request is enough.
        if let canceller = canceller() { DispatchQueue.global().async { canceller.cancelOnce() } }
        // Whatever libpq does with the connection from now on fails at once.
        _ = unsafe shutdown(PQsocket(handle), Int32(SHUT_RDWR))
        return .tooSlow
    }

    /// Sends a whole query. What comes back meanwhile is taken in, so that the server can go on reading.
    ///
    /// - Parameter sent: libpq's answer when it accepted the query.
    func sendOff(_ sent: Int32) throws(PostgresError) {
        guard !isGivenUp else { throw .tooSlow }
        guard sent == 1 else { throw failure() }
        // If the connection was lost, the result says so.
        while unsafe PQflush(handle) == 1 {
            try wait(toSend: true)
            guard unsafe PQconsumeInput(handle) == 1 else { return }
        }
    }

    /// The next result of what was sent; nil after the last one.
    func nextResult() throws(PostgresError) -> OpaquePointer? {
        while unsafe PQisBusy(handle) == 1 {
            try wait()
            // If the connection was lost, the result says so.
            guard unsafe PQconsumeInput(handle) == 1 else { break }
        }
        return unsafe PQgetResult(handle)
    }

    /// The last result of what was sent, or the one that begins a copy.
    private func lastResult() throws(PostgresError) -> OpaquePointer? {
        var last: OpaquePointer?
        do throws(PostgresError) {
            while let result = try unsafe nextResult() {
                unsafe PQclear(last)
                unsafe last = unsafe result
                if unsafe [PGRES_COPY_IN, PGRES_COPY_OUT].contains(PQresultStatus(result))
                    || PQstatus(handle) == CONNECTION_BAD
                {
                    break
                }
            }
        } catch {
            unsafe PQclear(last)
            throw error
        }
        return unsafe last
    }

    /// Reads and discards the remaining results.
    func skipResults() throws(PostgresError) { while let result = try unsafe nextResult() { unsafe PQclear(result) } }

    func check(_ result: OpaquePointer?) throws(PostgresError) -> Rows {
        guard let result = unsafe result else { throw failure() }
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_EMPTY_QUERY:
            return unsafe Rows(result) { [weak self] in self?.tableName($0) }
        default:
            let code = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
            let message = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "M"))).map { unsafe String(cString: $0) }
            unsafe PQclear(result)
            guard let code, let message else { throw failure() }
            throw PostgresError(code: code, message: message)
        }
    }

    /// A table's name; nil if it can't be asked for right now. Asked only once something is wrong.
    private func tableName(_ number: UInt32) -> String? {
        guard unsafe PQtransactionStatus(handle) == PQTRANS_IDLE || PQtransactionStatus(handle) == PQTRANS_INTRANS
        else { return nil }
        return (try? execute("select \(literal: Int64(number))::oid::regclass::text"))?.first?.optionalText(0)
    }

    func failure() -> PostgresError {
        let text = unsafe String(cString: PQerrorMessage(handle))
        return .connection(
            "the connection to PostgreSQL was lost: \(text.split(separator: "\n").first.map(String.init) ?? "")")
    }

    // MARK: Transactions

    /// How a transaction sees what others commit meanwhile.
    public enum Isolation: String, Sendable {
        case readCommitted = "read committed"
        /// One snapshot of the data for all statements.
        case repeatableRead = "repeatable read"
        case repeatableReadOnly = "repeatable read, read only"
    }

    /// Commits what `body` does, or none of it.
    public func transaction<T>(_ isolation: Isolation = .readCommitted, _ body: () throws -> T) throws -> T {
        precondition(depth == 0, "a transaction inside a transaction")
        later(SQL(raw: "begin isolation level \(isolation.rawValue)"))
        depth = 1
        defer { depth = 0 }
        do {
            let value = try body()
            // A failed transaction answers a commit with a rollback.
            try execute(prepared: "commit")
            return value
        } catch {
            deferred = []
            if unsafe PQtransactionStatus(handle) != PQTRANS_IDLE { _ = try? execute("rollback") }
            throw error
        }
    }

    /// Makes the statements of `body` find their rows by index, as `Settings.readsByIndex` does for the whole
    /// connection. Runs inside a transaction.
    public func byIndex<T>(_ body: () throws -> T) throws -> T {
        readsByIndex ? try body() : try planning(without: Connection.scans, body)
    }

    /// Makes the statements of `body` read tables from end to end, with no lookups one by one, however few rows
    /// PostgreSQL expects. Runs inside a transaction; has no effect on a connection that always reads by index.
    public func byScan<T>(_ body: () throws -> T) throws -> T {
        readsByIndex ? try body() : try planning(without: ["enable_nestloop"], body)
    }

    private func planning<T>(without ways: [String], _ body: () throws -> T) throws -> T {
        later(Connection.turn(ways, "off", isLocal: true))
        defer { for way in ways { later(SQL(raw: "set local \(way) to default")) } }
        return try body()
    }

    /// Lets the statements of `body` join by hash, even on a connection that reads by index: for rows that no index
    /// covers. Runs inside a transaction.
    public func byHash<T>(_ body: () throws -> T) throws -> T {
        guard readsByIndex else { return try body() }
        later(Connection.turn(["enable_hashjoin"], "on", isLocal: true))
        defer { later(Connection.turn(["enable_hashjoin"], "off", isLocal: true)) }
        return try body()
    }

    /// Ways of reading that pay off over many rows. Compiling a plan costs more than running a short one.
    private static let scans = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"]

    private static func turn(_ ways: [String], _ value: String, isLocal: Bool) -> SQL {
        "select \(SQL.joined(ways.map { "set_config(\(literal: $0), \(literal: value), \(isLocal))" }, by: ", "))"
    }

    // MARK: Copies

    /// `copy … from stdin (format binary)`: `body` writes rows through the writer; if it throws, none of them are kept.
    public func copyIn(_ sql: SQL, _ body: (inout CopyWriter) throws -> Void) throws {
        _ = try execute(sql)
        var writer = CopyWriter { [self] bytes throws(PostgresError) in
            let sent = unsafe bytes.withUnsafeBytes { memory in
                unsafe PQputCopyData(
                    handle, memory.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(memory.count))
            }
            try sendOff(sent)
        }
        do {
            try body(&writer)
            try writer.finish()
        } catch {
            try? sendOff(unsafe PQputCopyEnd(handle, "given up"))
            try? skipResults()
            throw error
        }
        try sendOff(unsafe PQputCopyEnd(handle, nil))
        try drain()
    }

    /// Runs one statement and hands out its rows as they arrive, holding only the current one.
    public func stream(_ sql: SQL, _ body: (inout RowReader) throws -> Void) throws {
        try flush()
        let bound = BoundValues(sql.parameters)
        let sent = unsafe bound.withPointers { types, values, lengths, formats in
            unsafe PQsendQueryParams(handle, sql.text, Int32(sql.parameters.count), types, values, lengths, formats, 1)
        }
        guard sent == 1, unsafe PQsetSingleRowMode(handle) == 1 else { throw failure() }
        isStreaming = true
        try sendOff(sent)
        var fault: (any Error)?
        while let result = try unsafe nextResult() {
            // After a fault, the rest is read and discarded, so that the connection stays in step.
            if unsafe PQresultStatus(result) == PGRES_SINGLE_TUPLE {
                defer { unsafe PQclear(result) }
                if fault != nil { continue }
                var reader = unsafe RowReader(result: result)
                do { try body(&reader) } catch { fault = error }
            } else {
                do { _ = try unsafe check(result) } catch { fault = fault ?? error }
            }
        }
        if let fault { throw fault }
    }

    /// `copy (…) to stdout (format binary)`: hands out the rows as they arrive. A copy takes no bound values.
    public func copyOut(_ sql: SQL, _ body: (inout RowReader) throws -> Void) throws {
        let copy = try beginCopyOut(sql)
        do {
            while try copy.next(body) {}
        } catch {
            // The rest is read and discarded, so that the connection stays in step.
            copy.abandon()
            throw error
        }
    }

    /// Begins a copy whose rows are handed out on request. Until it ends, nothing else can be done with the connection.
    public func beginCopyOut(_ sql: SQL) throws -> CopyOut {
        precondition(sql.parameters.isEmpty, "a copy takes no values")
        _ = try execute(sql)
        return CopyOut(self)
    }

    /// The rows of a copy, one after another.
    public final class CopyOut {
        private let connection: Connection
        private var isFirst = true
        private var isAtEnd = false

        fileprivate init(_ connection: Connection) {
            self.connection = connection
        }

        /// Reads the next row; false at the end.
        public func next(_ body: (inout RowReader) throws -> Void) throws -> Bool {
            while !isAtEnd {
                var memory: UnsafeMutablePointer<CChar>?
                let count = Int(unsafe PQgetCopyData(connection.handle, &memory, 1))
                if count == 0 {
                    try connection.wait()
                    guard unsafe PQconsumeInput(connection.handle) == 1 else {
                        isAtEnd = true
                        throw connection.failure()
                    }
                    continue
                }
                guard count >= 0, let start = unsafe memory else {
                    isAtEnd = true
                    if count == -2 { throw connection.failure() }
                    try connection.drain()
                    return false
                }
                defer { unsafe PQfreemem(start) }
                // The header comes with the first row; before each row comes its number of fields, −1 at the end.
                let row = unsafe UnsafeRawBufferPointer(start: start, count: count).dropFirst(
                    isFirst ? CopyWriter.header.count : 0)
                isFirst = false
                guard unsafe row.count > 2 else { continue }
                var reader = unsafe RowReader(copied: UnsafeRawBufferPointer(rebasing: row.dropFirst(2)))
                try body(&reader)
                return true
            }
            return false
        }

        fileprivate func abandon() {
            do { while try next({ _ in }) {} } catch {}
        }
    }

    fileprivate func drain() throws(PostgresError) {
        var fault: PostgresError?
        while let result = try unsafe nextResult() {
            do { _ = try unsafe check(result) } catch { fault = fault ?? error }
        }
        if let fault { throw fault }
    }

    // MARK: Cancelling

    /// A handle that can stop the running statement from any thread.
    func canceller() -> Canceller? { unsafe Canceller(PQgetCancel(handle)) }
}

/// Values laid out for libpq in a single block of memory, so that their addresses hold during the call.
struct BoundValues {
    private let types: [UInt32]
    private var lengths: [Int32] = []
    private let formats: [Int32]
    private var memory: [UInt8] = []
    private var offsets: [Int?] = []

    init(_ parameters: [Parameter]) {
        types = parameters.map(\.type)
        formats = [Int32](repeating: 1, count: parameters.count)
        for parameter in parameters {
            let value = parameter.bytes
            offsets.append(value == nil ? nil : memory.count)
            lengths.append(Int32(value?.count ?? 0))
            // libpq wants an address even for an empty value.
            memory += (value ?? []) + [0]
        }
    }

    typealias Call<R> = (
        UnsafePointer<UInt32>, UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int32>, UnsafePointer<Int32>
    ) -> R

    @unsafe func withPointers<R>(_ call: Call<R>) -> R {
        unsafe memory.withUnsafeBytes { bytes in
            let values = unsafe offsets.map { offset -> UnsafePointer<CChar>? in
                unsafe offset.flatMap { unsafe bytes.baseAddress?.advanced(by: $0).assumingMemoryBound(to: CChar.self) }
            }
            return unsafe types.withUnsafeBufferPointer { types in
                unsafe values.withUnsafeBufferPointer { values in
                    unsafe lengths.withUnsafeBufferPointer { lengths in
                        unsafe formats.withUnsafeBufferPointer { formats in
                            unsafe call(types.pointer, values.pointer, lengths.pointer, formats.pointer)
                        }
                    }
                }
            }
        }
    }
}

/// Lends two lists of C strings, each terminated by a null.
@unsafe func withCStrings<R>(
    _ first: [String], _ second: [String],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> R
) -> R {
    let copies = unsafe [first, second].map { unsafe $0.map { unsafe strdup($0) } }
    defer { unsafe copies.joined().forEach { unsafe free($0) } }
    let lists = unsafe copies.map { list in unsafe list.map { copy in unsafe UnsafePointer<CChar>(copy) } + [nil] }
    return unsafe lists[0].withUnsafeBufferPointer { first in
        unsafe lists[1].withUnsafeBufferPointer { second in unsafe body(first.baseAddress!, second.baseAddress!) }
    }
}

extension UnsafeBufferPointer {
    /// The address, or for an empty buffer one that is never read.
    fileprivate var pointer: UnsafePointer<Element> {
        unsafe baseAddress ?? UnsafePointer(bitPattern: MemoryLayout<Element>.alignment)!
    }
}

/// How long to wait for a statement that was cancelled.
final class CancelledUntil: Sendable {
    private let state = Mutex<ContinuousClock.Instant?>(nil)
    private static let heed = Duration.seconds(5)

    var instant: ContinuousClock.Instant? { state.withLock { $0 } }
    func begin() { state.withLock { $0 = .now + CancelledUntil.heed } }
    func clear() { state.withLock { $0 = nil } }
}

/// Stops what a connection is doing. Sendable: libpq allows `PQcancel` from any thread, and the pointer never changes.
@safe final class Canceller: @unchecked Sendable {
    private let handle: OpaquePointer
    private let isOver = Atomic(false)
    /// Held while a request is under way.
    private let sending = Mutex(())

    init?(_ handle: OpaquePointer?) {
        guard let handle = unsafe handle else { return nil }
        unsafe self.handle = unsafe handle
    }

    deinit { unsafe PQfreeCancel(handle) }

    /// Cancels again and again until `end`: a request that arrives between two statements stops neither.
    func cancel() {
        DispatchQueue.global().async { [self] in
            while !isOver.load(ordering: .acquiring) {
                sending.withLock { _ in if !isOver.load(ordering: .acquiring) { cancelOnce() } }
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
    }

    /// There is nothing more to stop.
    ///
    /// - Parameter isGivenUp: whether the connection will run nothing else, so that a request still under way (which
    ///   may hang too) does no harm.
    func end(isGivenUp: Bool) {
        isOver.store(true, ordering: .releasing)
        if !isGivenUp { sending.withLock { _ in } }
    }

    /// Sends one request and waits for as long as that takes.
    func cancelOnce() {
        var message = [CChar](repeating: 0, count: 256)
        _ = unsafe PQcancel(handle, &message, Int32(message.count))
    }
}
