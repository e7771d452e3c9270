extension OnlineMemory {
    /// What has happened so far, and what memory holds now.
    public struct Counts: Sendable {
        /// Lookups answered from memory, those that had to read entities first, and those of entities too large for it.
        public var hits = 0, misses = 0, direct = 0
        /// The entities in memory, roughly the bytes they take up, and how often one of them was computed again.
        public var entities = 0, bytes = 0, recomputed = 0
        /// Entities that have more rows than memory holds for one.
        public var oversized = 0
    }

    /// How many values of a set were served with each status.
    public struct Tally: Sendable {
        /// The set's name.
        public let set: String
        /// The names of the set's outputs, in their order.
        public let features: [String]
        /// By feature, then by status: present, null, not found, stale.
        public internal(set) var counts: [[Int]]

        init(_ set: String, _ features: [String]) {
            self.set = set
            self.features = features
            counts = features.map { _ in LookupAnswer.Status.allCases.map { _ in 0 } }
        }

        mutating func add(_ cells: Cells) {
            for (index, kind) in cells.kinds.enumerated() { counts[index % cells.width][kind.status.place] += 1 }
        }

        mutating func add(_ statuses: [[LookupAnswer.Status]]) {
            for (index, statuses) in statuses.enumerated() {
                for status in statuses { counts[index][status.place] += 1 }
            }
        }
    }
}
