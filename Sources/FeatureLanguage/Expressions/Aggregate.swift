/// A reduction of the rows that count for an entity at an instant.
public struct Aggregate: Sendable, Hashable {
    /// Which reduction it is; `median`, for one, is a percentile with a parameter.
    public var `operator`: AggregateOperator
    /// An expression over the row's columns; nil for `count(*)`.
    public var argument: Expression?
    /// Another such expression, of an aggregate of pairs: its x.
    public var second: Expression?
    /// The constants after the argument, such as which percentile: as many as the operator's entry says.
    public var parameters: [Literal]
    /// A condition that rows have to meet to count: false and NULL leave a row out. Nil lets all rows count.
    public var filter: Expression?
    /// The event times it sees, relative to the instant.
    public var frame: Frame
    /// The type of its value.
    public var type: ValueType

    /// An aggregate over all history unless `frame` says otherwise; nothing is checked here.
    public init(
        _ operator: AggregateOperator, _ argument: Expression?, _ second: Expression? = nil,
        parameters: [Literal] = [], filter: Expression? = nil,
        frame: Frame = .allHistory, type: ValueType
    ) {
        self.operator = `operator`
        self.argument = argument
        self.second = second
        self.parameters = parameters
        self.filter = filter
        self.frame = frame
        self.type = type
    }
}
