internal import Yams

/// Reads definitions from YAML nodes, and gathers everything wrong with their form.
struct DefinitionReader {
    let source: SourceText
    var diagnostics: [Diagnostic] = []

    init(source: SourceText) {
        self.source = source
    }

    // MARK: The document

    mutating func document(_ root: Node) -> [DefinitionDocument.Item] {
        let kinds = DefinitionKind.allCases.map(\.plural)
        var items: [DefinitionDocument.Item] = []
        for (key, node) in pairs(root, "the document") {
            guard let kind = DefinitionKind.allCases.first(where: { $0.plural == key.text }) else {
                report(
                    key.place, "unknown heading '\(key.text)'",
                    suggestion(for: key.text, among: kinds, what: "headings"))
                continue
            }
            if node.isEmpty { continue }
            for (name, body) in pairs(node, kind.plural) {
                let places = DefinitionDocument.Places(name: name.place)
                guard var item = definition(kind, name, body, places) else { continue }
                item.places.name = name.place
                items.append(item)
            }
        }
        return items
    }

    private mutating func definition(
        _ kind: DefinitionKind, _ name: Word, _ body: Node, _ places: DefinitionDocument.Places
    ) -> DefinitionDocument.Item? {
        var fields = Fields(pairs(body, "\(kind.rawValue) \(name.text)"), places)
        let definition: Definition?
        switch kind {
        case .entity: definition = entity(name, &fields)
        case .source: definition = self.source(name, &fields)
        case .feature, .label: definition = function(kind == .feature ? .feature : .label, name, &fields)
        case .set: definition = set(name, &fields)
        }
        let notes = notes(kind, &fields)
        for (key, _) in fields.rest {
            // Probably the rest of an expression that YAML cut at a comma.
            let isCut = !Identifier.isPlain(key.text) && fields.asked.contains("expression")
            report(
                key.place, "unknown key '\(key.text.prefix(80))' in \(kind.rawValue) \(name.text)",
                isCut
                    ? "between braces an expression with a comma stands between quotes"
                    : suggestion(for: key.text, among: fields.asked, what: "keys"))
        }
        return definition.map { DefinitionDocument.Item(definition: $0, notes: notes, places: fields.places) }
    }

    // MARK: Kinds

    private mutating func entity(_ name: Word, _ fields: inout Fields) -> Definition? {
        let keys = fields.take("keys").flatMap { $0.isEmpty ? nil : columns($0, "keys") }
        if let keys, keys.count > 16 { report(name.place, "entity \(name.text) has \(keys.count) keys", "at most 16") }
        for key in keys ?? [] where key.type.isPacked {
            report(name.place, "key '\(key.name)' is \(key.type.phrase)", "keys are single values")
        }
        guard plain(name, "an entity"), let keys else {
            if keys == nil {
                report(
                    name.place, "entity \(name.text) has no keys",
                    "write keys: {customer_id: int64}, or keys: {} for one global series")
            }
            return nil
        }
        return .entity(Entity(name: name.text, keys: keys))
    }

    private mutating func source(_ name: Word, _ fields: inout Fields) -> Definition? {
        let columns = fields.take("columns").map { self.columns($0, "columns") }
        let eventTime = fields.take("event_time").flatMap { text($0, "event_time") }
        let id = fields.take("id").map { list($0, "id") }
        let tombstone = fields.take("tombstone").flatMap { text($0, "tombstone") }
        let knownAt = fields.take("known_at").map { self.knownAt($0) }
        guard plain(name, "a source") else { return nil }
        guard let columns, !columns.isEmpty else {
            report(name.place, "source \(name.text) has no columns", "write columns: {customer_id: int64, …}")
            return nil
        }
        guard let eventTime else {
            report(
                name.place, "source \(name.text) has no event_time",
                "name the column that says when the fact happened, or write event_time: none for a static source")
            return nil
        }
        let isStatic = eventTime.text == "none" && !columns.contains { $0.name == "none" }
        let source = Source(
            name: name.text, columns: columns, eventTime: isStatic ? nil : eventTime.text, id: id?.map(\.text) ?? [],
            tombstone: tombstone?.text,
            knownAt: (knownAt ?? .eventTime) ?? .eventTime)
        return check(
            source, eventTime: eventTime, id: id ?? [], tombstone: tombstone, knownAt: fields.places.parts["known_at"],
            name, namesID: id != nil) ? .source(source) : nil
    }

    private mutating func check(
        _ source: Source, eventTime: Word, id: [Word], tombstone: Word?, knownAt: Place?, _ name: Word, namesID: Bool
    ) -> Bool {
        let before = diagnostics.count
        // PostgreSQL allows 1,600 columns in a table, and the store adds its own.
        if source.columns.count > 1500 {
            report(name.place, "source \(name.text) has \(source.columns.count) columns", "at most 1500")
        }
        let known = source.columns.map(\.name)
        func expect(_ column: String, _ types: ValueType..., place: Place, _ what: String) {
            guard let found = source.column(column) else {
                return report(
                    place, "\(what) names '\(column)', which is not a column of \(name.text)",
                    suggestion(for: column, among: known, what: "columns"))
            }
            if let first = types.first, !types.contains(found.type) {
                report(place, "\(what) is '\(column)', \(found.type.phrase)", "it must be \(first.phrase)")
            }
        }
        if !source.isStatic { expect(eventTime.text, .timestamp, .date, place: eventTime.place, "event_time") }
        for column in id {
            expect(column.text, place: column.place, "id")
            if let found = source.column(column.text), found.type.isPacked {
                report(column.place, "id names '\(column.text)', \(found.type.phrase)", "ids are single values")
            }
        }
        if id.isEmpty, namesID {
            report(
                name.place, "id of source \(name.text) names no column",
                "name the columns that tell facts apart, or leave id: away")
        }
        // PostgreSQL allows 32 columns in an index.
        if source.id.count > 32 { report(id[0].place, "id names \(source.id.count) columns", "at most 32") }
        if Set(source.id).count < source.id.count { report(id[0].place, "id names a column twice", nil) }
        if let tombstone { expect(tombstone.text, .bool, place: tombstone.place, "tombstone") }
        if case .column(let column) = source.knownAt {
            expect(column, .timestamp, place: knownAt ?? name.place, "known_at")
        }
        if source.isStatic {
            if source.id.isEmpty {
                report(
                    name.place, "static source \(name.text) needs an id",
                    "name the columns that tell its rows apart: id: [carrier]")
            }
            if let tombstone {
                report(tombstone.place, "a static source has no tombstone", "its rows are facts for all time")
            }
            if let knownAt { report(knownAt, "a static source has no known_at", "its rows are known at every instant") }
        }
        return diagnostics.count == before
    }

    private mutating func function(_ kind: FunctionKind, _ name: Word, _ fields: inout Fields) -> Definition? {
        let entity = fields.take("entity").flatMap { text($0, "entity") }
        let source = fields.take("source").flatMap { text($0, "source") }
        let join = fields.take("join").map { names($0, "join") } ?? [:]
        let request = fields.take("request").map { columns($0, "request") } ?? []
        let node = fields.take("expression")
        let expression = node.flatMap { text($0, "expression") }
        guard let name = versioned(name, kind.rawValue) else { return nil }
        if entity == nil {
            report(
                fields.places.name, "\(kind.rawValue) \(name) has no entity",
                "write entity: and the name of what it describes")
        }
        if expression == nil {
            report(
                fields.places.name, "\(kind.rawValue) \(name) has no expression",
                "as in expression: sum(amount) over last_7d")
        }
        guard let entity, let expression else { return nil }
        fields.places.expression = ExpressionPlaces(scalar: expression.text, start: expression.place, in: self.source)
        return .function(
            FunctionDefinition(
                name: name, kind: kind, entity: entity.text, source: source?.text, join: join, request: request,
                expression: expression.text))
    }

    private mutating func set(_ name: Word, _ fields: inout Fields) -> Definition? {
        let features = fields.take("features").map { entries($0, "features", &fields) } ?? []
        let labels = fields.take("labels").map { entries($0, "labels", &fields) } ?? []
        guard let versionedName = versioned(name, "set") else { return nil }
        guard !features.isEmpty || !labels.isEmpty || !fields.places.patterns.isEmpty else {
            report(name.place, "set \(name.text) is empty", "write features: [spend_7d.v1]")
            return nil
        }
        return .set(SetDefinition(name: versionedName, features: features, labels: labels))
    }

    private mutating func entries(_ node: Node, _ what: String, _ fields: inout Fields) -> [SetEntry] {
        guard case .sequence(let items) = node else {
            report(place(node), "\(what) is not a list", "write \(what): [spend_7d.v1]")
            return []
        }
        var entries: [SetEntry] = []
        for item in items {
            let kind = what == "features" ? "feature" : "label"
            if case .mapping = item {
                var parts = Fields(pairs(item, what), DefinitionDocument.Places(name: place(item)))
                let function = parts.take("feature") ?? parts.take("label")
                let output = parts.take("as").flatMap { text($0, "as") }
                let keys = parts.take("keys").map { names($0, "keys") } ?? [:]
                for (key, _) in parts.rest {
                    report(
                        key.place, "unknown key '\(key.text)' in an entry of the set",
                        suggestion(for: key.text, among: ["feature", "as", "keys"], what: "keys"))
                }
                guard let word = function.flatMap({ text($0, kind) }) else {
                    report(
                        place(item), "an entry without a \(kind)",
                        "write {\(kind): temperature.v1, as: dest_temperature, keys: {airport: dest}}")
                    continue
                }
                if let output, let fault = Identifier.faultOfColumn(output.text) { report(output.place, fault, nil) }
                guard let name = versioned(word, kind) else { continue }
                entries.append(SetEntry(function: name, output: output?.text, keys: keys))
            } else {
                guard let word = text(item, kind) else { continue }
                if SetPattern.isOne(word.text) {
                    fields.places.patterns[what, default: []].append(
                        SetPattern(text: word.text, place: word.place, position: entries.count))
                    continue
                }
                guard let name = versioned(word, kind) else { continue }
                entries.append(SetEntry(function: name))
            }
            fields.places.parts["\(what).\(entries.count - 1)"] = place(item)
        }
        return entries
    }

    private mutating func notes(_ kind: DefinitionKind, _ fields: inout Fields) -> Notes {
        Notes(
            description: fields.take("description").flatMap { text($0, "description")?.text },
            owner: fields.take("owner").flatMap { text($0, "owner")?.text },
            tags: fields.take("tags").map { list($0, "tags").map(\.text) } ?? [],
            fresh: kind == .set ? fields.take("fresh").flatMap { fresh($0) } : nil)
    }

    private mutating func fresh(_ node: Node) -> TimeSpan? {
        guard let word = text(node, "fresh") else { return nil }
        guard let span = TimeSpan(text: word.text), span > .zero else {
            report(
                word.place, "'\(word.text)' is not a bound on how old values may be",
                "write a whole number and one of us ms s m h d w, as in fresh: 1h")
            return nil
        }
        return span
    }

    // MARK: Parts

    private mutating func knownAt(_ node: Node) -> KnownAt? {
        guard case .mapping = node else { return text(node, "known_at").map { .column($0.text) } }
        for (key, value) in pairs(node, "known_at") {
            guard key.text == "after", let span = text(value, "after") else {
                report(
                    key.place, "unknown key '\(key.text)' in known_at",
                    "write known_at: {after: 2h} or known_at: recorded_at")
                continue
            }
            guard let delay = TimeSpan(text: span.text) else {
                report(
                    span.place, "'\(span.text)' is not a delay",
                    "write a whole number and one of us ms s m h d w, as in 2h")
                continue
            }
            return .after(microseconds: delay.microseconds)
        }
        return nil
    }

    private mutating func columns(_ node: Node, _ what: String) -> [ColumnDefinition] {
        if node.isEmpty { return [] }
        var columns: [ColumnDefinition] = []
        for (key, value) in pairs(node, what) {
            if let fault = Identifier.faultOfColumn(key.text) { report(key.place, fault, nil) }
            guard let spelling = text(value, "the type of \(key.text)") else { continue }
            guard let type = ValueType(columnSpelling: spelling.text) else {
                report(
                    spelling.place, "unknown type '\(spelling.text)'", ValueType.advice(onSpelling: spelling.text))
                continue
            }
            columns.append(ColumnDefinition(key.text, type))
        }
        return columns
    }

    private mutating func names(_ node: Node, _ what: String) -> [String: String] {
        var names: [String: String] = [:]
        for (key, value) in pairs(node, what) { names[key.text] = text(value, key.text)?.text }
        return names
    }

    private mutating func list(_ node: Node, _ what: String) -> [Word] {
        guard case .sequence(let items) = node else {
            report(place(node), "\(what) is not a list", "write \(what): [\(node.scalar?.string ?? "…")]")
            return []
        }
        var words: [Word] = []
        for item in items { if let word = text(item, what) { words.append(word) } }
        return words
    }

    private mutating func plain(_ name: Word, _ what: String) -> Bool {
        if Identifier.isPlain(name.text) { return true }
        report(
            name.place, "'\(name.text)' can't name \(what)",
            "names begin with a to z and go on with a to z, 0 to 9 and _; at most 63 bytes")
        return false
    }

    private mutating func versioned(_ name: Word, _ what: String) -> VersionedName? {
        if let versioned = VersionedName(name.text) { return versioned }
        let advice =
            Identifier.isPlain(name.text)
            ? "add a version: \(name.text).v1"
            : "write name.v1: a to z, 0 to 9 and _, at most 63 bytes, then .v and a number from 1"
        report(name.place, "'\(name.text)' can't name a \(what)", advice)
        return nil
    }

    // MARK: Nodes

    /// A text with its place.
    struct Word {
        var text: String
        var place: Place
    }

    /// The keys of one mapping, taken one by one; any that are left over are unknown.
    private struct Fields {
        var rest: [(Word, Node)]
        var places: DefinitionDocument.Places
        var asked: [String] = []

        init(_ pairs: [(Word, Node)], _ places: DefinitionDocument.Places) {
            rest = pairs
            self.places = places
        }

        mutating func take(_ key: String) -> Node? {
            asked.append(key)
            guard let index = rest.firstIndex(where: { $0.0.text == key }) else { return nil }
            let (word, node) = rest.remove(at: index)
            places.parts[key] = node.mark.map { Place(line: $0.line, column: $0.column) } ?? word.place
            return node
        }
    }

    private mutating func pairs(_ node: Node, _ what: String) -> [(Word, Node)] {
        guard case .mapping(let mapping) = node else {
            report(place(node), "\(what) is not a mapping", "write key: value lines, indented alike")
            return []
        }
        var pairs: [(Word, Node)] = []
        var seen: Set<String> = []
        for (key, value) in mapping {
            guard let word = text(key, "a key") else { continue }
            // YAML tells 1 from "1", but as names they are the same.
            guard seen.insert(word.text).inserted else {
                report(word.place, "duplicate name: \(word.text)", "each name stands once")
                continue
            }
            pairs.append((word, value))
        }
        return pairs
    }

    private mutating func text(_ node: Node, _ what: String) -> Word? {
        guard let scalar = node.scalar, !node.isEmpty else {
            report(place(node), "\(what) is not a text", nil)
            return nil
        }
        return Word(text: scalar.string, place: place(node))
    }

    private func place(_ node: Node) -> Place {
        node.mark.map { Place(line: $0.line, column: $0.column) } ?? Place(line: 1, column: 1)
    }

    private mutating func report(_ place: Place, _ message: String, _ advice: String?) {
        diagnostics.append(source.diagnostic(place, message, advice: advice))
    }
}

extension Node {
    /// Whether nothing was written, as in `features:` without a value.
    fileprivate var isEmpty: Bool {
        guard let scalar else { return false }
        return scalar.style == .plain && (scalar.string.isEmpty || scalar.string == "~" || scalar.string == "null")
    }
}
