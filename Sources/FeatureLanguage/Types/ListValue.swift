/// Values of one type in an order, some of which may be NULL.
public struct ListValue: Sendable, Hashable {
    /// The type of the elements.
    public let element: ScalarType
    /// The elements, each of that type or NULL.
    public let items: [Literal]

    /// The most elements that a list can have.
    public static let maximumCount = 65_536

    /// Takes elements of the type, and no more than a list can have; neither is checked.
    public init(_ element: ScalarType, _ items: [Literal]) {
        self.element = element
        self.items = items
    }
}
