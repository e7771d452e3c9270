internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// A column of a spine as it stood in its file, to be written out again unchanged.
public struct PassedColumn: Sendable {
    /// The column's name in the file.
    public let name: String
    var fields: Fields

    enum Fields: Sendable {
        /// A text file's fields: each one's text, and how it was written.
        case texts(Texts)
        /// An Arrow file's values, in the type's own units or just as they stood.
        case values(ArrowField, ArrowColumn)
    }

    /// Fields of a text file.
    struct Texts: Sendable {
        enum Form: UInt8 {
            case absent, plain, quoted
        }

        private(set) var texts = StringColumn()
        private(set) var forms: [Form] = []

        init() {}

        /// Rows that lack the field.
        init(absent count: Int) { for _ in 0..<count { append([], .absent) } }

        func isNull(_ row: Int) -> Bool { forms[row] == .absent || forms[row] == .plain && texts.range(row).isEmpty }

        /// The first row whose bytes aren't UTF-8; nil if there is none.
        var firstThatIsNoText: Int? {
            guard texts.bytes.contains(where: { $0 >= 0x80 }) else { return nil }
            return forms.indices.first { row in
                let bytes = texts.bytes[texts.range(row)]
                return bytes.contains { $0 >= 0x80 } && String(validating: bytes, as: UTF8.self) == nil
            }
        }

        mutating func append(_ text: some Sequence<UInt8>, _ form: Form) {
            texts.append(bytes: text)
            forms.append(form)
        }

        mutating func append(_ value: JSON) {
            switch value {
            case .null: append([], .absent)
            case .string(let text): append(text.utf8, .quoted)
            default: append(value.description.utf8, .plain)
            }
        }
    }

    /// The column's name and type in Arrow, whether or not it has values.
    var field: ArrowField {
        switch fields {
        case .texts: ArrowField(name, .utf8)
        case .values(let field, _): field
        }
    }

    init(_ name: String, _ texts: Texts) {
        self.name = name
        fields = .texts(texts)
    }

    init(_ name: String, _ column: Column) { self.init(ArrowField(name, ArrowType(column.type)), .flat(column)) }

    init(_ field: ArrowField, _ column: ArrowColumn) {
        name = field.name
        fields = .values(field, column)
    }

    /// This column with NULL in some rows.
    func withNulls(in rows: Set<Int>) throws(TableError) -> PassedColumn {
        var result = self
        switch fields {
        case .values(var field, let column):
            if !rows.isEmpty { field.isNullable = true }
            result.fields = .values(
                field,
                try TableError.explaining("spine") { [field] in
                    switch column {
                    case .flat(let column): .flat(field.type == .null ? column : column.withNulls(in: rows))
                    case .other(let array): .other(try array.withNulls(in: rows))
                    case .absent: .absent
                    }
                })
        case .texts(let fields):
            var texts = Texts()
            for row in fields.forms.indices {
                if rows.contains(row) {
                    texts.append([], .absent)
                } else {
                    texts.append(fields.texts.bytes[fields.texts.range(row)], fields.forms[row])
                }
            }
            result.fields = .texts(texts)
        }
        return result
    }

    /// This column as text files write it, in types of ours.
    ///
    /// - Throws: `TableError` for a type that text files don't have.
    func plain(file: String) throws(TableError) -> PassedColumn {
        guard case .values(let given, let column) = fields else { return self }
        let (field, read) = try TableError.explaining(file) { try given.plain(column) }
        let plain: ValueType
        switch field.type {
        case .null, .utf8, .largeUtf8, .utf8View: plain = .string
        case .bool: plain = .bool
        case .integer(let bits, _) where bits <= 64: plain = .int64
        case .float: plain = .float64
        case .date32: plain = .date
        case .date64, .timestamp: plain = .timestamp
        case .decimal(let precision, let scale, _) where ValueType(precision: precision, scale: scale) != nil:
            plain = .decimal(precision: precision, scale: scale)
        default:
            throw TableError(
                file: file, column: name, message: "is \(given.typeName), which CSV and NDJSON can't hold",
                advice: "write .arrow or .arrows, or cast or drop the column")
        }
        var result = self
        if case .integer(64, isSigned: false) = field.type, case .flat(let column) = read,
            case .words(let values) = column.values, values.contains(where: { $0 < 0 })
        {
            var digits = StringColumn()
            for value in values { digits.append(String(UInt64(bitPattern: value))) }
            result.fields = .values(ArrowField(name, .utf8), .flat(Column(.string, digits, validity: column.validity)))
            return result
        }
        let values = try TableError.explaining(file) { try field.values(read, as: plain) }
        result.fields = .values(ArrowField(name, ArrowType(plain)), .flat(values))
        return result
    }

    /// This column in Arrow: texts as they stood, unless their values are known.
    ///
    /// - Parameter known: the column as the plan reads it.
    func arrow(known: Column?) -> (ArrowField, ArrowColumn) {
        switch fields {
        case .values(let field, let column): return (field, column)
        case .texts(let fields):
            if let known { return (ArrowField(name, ArrowType(known.type)), .flat(known)) }
            let validity = fields.forms.indices.map { !fields.isNull($0) }
            return (
                ArrowField(name, .utf8),
                .flat(Column(.string, fields.texts, validity: validity.contains(false) ? validity : nil))
            )
        }
    }

    /// Each value as its canonical text; see `SpineFile.identities`.
    ///
    /// - Parameter null: another word that means NULL in a text file.
    func identities(null: String?) throws(TableError) -> Column {
        switch fields {
        case .texts(let fields):
            let null = null.map { Array($0.utf8) }
            var builder = ColumnBuilder(.string)
            for row in 0..<fields.texts.count {
                let text = fields.texts.bytes[fields.texts.range(row)]
                if fields.isNull(row) || fields.forms[row] == .plain && null.map({ text.elementsEqual($0) }) ?? false {
                    builder.appendNull()
                } else {
                    builder.append(bytes: Identity.bytes(ofText: text))
                }
            }
            return builder.finish()
        case .values(let given, let read):
            let (field, column) = try TableError.explaining("spine") { try given.plain(read) }
            if let (texts, validity) = try TableError.explaining("spine", { try field.texts(column) }) {
                return Identity.column(of: Column(.string, texts, validity: validity))
            }
            if case .timestamp(.nanosecond, _) = field.type, case .flat(let column) = column,
                case .words(let values) = column.values
            {
                return Identity.column(nanoseconds: values, column.validity)
            }
            if case .float(32) = field.type, case .flat(let column) = column, case .floats(let values) = column.values {
                // The shortest digits for 32 bits, as they are written.
                var texts = StringColumn()
                for value in values { texts.append(Float(value).description) }
                return Identity.column(of: Column(.string, texts, validity: column.validity))
            }
            guard case .values(_, .flat(let values)) = try plain(file: "spine").fields else {
                throw TableError(file: "spine", column: name, message: "is \(given.typeName)")
            }
            return Identity.column(of: values)
        }
    }
}

extension [PassedColumn.Texts] {
    var byteCount: Int { reduce(0) { $0 + $1.texts.bytes.count } }
}

extension Column {
    /// This column with NULL in some rows, and nothing left underneath of what stood there.
    func withNulls(in rows: Set<Int>) -> Column {
        var builder = ColumnBuilder(type)
        for row in 0..<count {
            if rows.contains(row) || isNull(row) {
                builder.appendNull()
            } else if case .bytes(let texts) = values {
                // As bytes, since they may not be text.
                builder.append(bytes: texts.bytes[texts.range(row)])
            } else {
                builder.append(self[row])
            }
        }
        return builder.finish()
    }
}

extension ArrowColumn {
    /// The column, if its type is flat.
    var flat: Column? { if case .flat(let column) = self { column } else { nil } }
}
