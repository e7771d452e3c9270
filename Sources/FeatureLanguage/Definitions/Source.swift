/// When an imported row is known.
public enum KnownAt: Sendable, Hashable, Codable {
    /// At its event time: the default.
    case eventTime
    /// A fixed delay after its event time.
    case after(microseconds: Int64)
    /// At the instant in a declared column; a row with NULL there is never known.
    case column(String)

    package var isColumn: Bool { if case .column = self { true } else { false } }
}

/// A named, typed, append-only stream of rows.
public struct Source: Sendable, Hashable, Codable {
    /// A plain name, such as `payments`.
    public var name: String
    /// The declared columns; those that a registered source gains come after the ones it had.
    public var columns: [ColumnDefinition]
    /// The column that holds the event time; nil for a static source, whose rows count at every instant.
    public var eventTime: String?
    /// The columns that identify a fact, of which rows are versions; empty if every row stands for itself.
    public var id: [String]
    /// The bool column that is true in a tombstone, a row that takes its fact back; nil if there is none.
    public var tombstone: String?
    /// When imported rows are known. Pushed rows are known once they are committed, whatever this says.
    public var knownAt: KnownAt

    /// Takes the settings unchecked; reading a `DefinitionDocument` checks them.
    public init(
        name: String, columns: [ColumnDefinition], eventTime: String?, id: [String] = [], tombstone: String? = nil,
        knownAt: KnownAt = .eventTime
    ) {
        self.name = name
        self.columns = columns
        self.eventTime = eventTime
        self.id = id
        self.tombstone = tombstone
        self.knownAt = knownAt
    }

    /// Whether its rows have no event time and count at every instant.
    public var isStatic: Bool { eventTime == nil }

    /// The declared column of this name; nil if there is none.
    public func column(_ name: String) -> ColumnDefinition? { columns.first { $0.name == name } }

    /// The columns that are never NULL: those of the id, and the event time. Any other may be absent, which means NULL.
    public var requiredColumns: [String] {
        var required = id
        if let eventTime, !required.contains(eventTime) { required.append(eventTime) }
        return required
    }
}
