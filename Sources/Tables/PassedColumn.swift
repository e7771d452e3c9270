internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// A column of a spine as it stood in its file, to be written out again as it was.
public struct PassedColumn: Sendable {
    public let name: String
    var fields: Fields

    enum Fields: Sendable {
        /// Of a text file: each field's text, and how it was written.
        case texts(Texts)
        /// Of an Arrow file: the values in the type's own units.
        case values(Column, ArrowType)
    }

    /// Fields of a text file.
    struct Texts: Sendable {
        enum Form: UInt8 {
            case absent, plain, quoted
        }

        private(set) var texts = StringColumn()
        private(set) var forms: [Form] = []

        func isNull(_ row: Int) -> Bool { forms[row] == .absent || forms[row] == .plain && texts.range(row).isEmpty }

        /// The first row whose bytes aren't UTF-8.
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

    init(_ name: String, _ texts: Texts) {
        self.name = name
        fields = .texts(texts)
    }

    init(_ field: ArrowField, _ column: Column) {
        name = field.name
        fields = .values(column, field.type)
    }

    /// The same without what stood in some rows.
    func withNulls(in rows: Set<Int>) -> PassedColumn {
        var result = self
        switch fields {
        case .values(let column, let type): result.fields = .values(column.withNulls(in: rows), type)
        case .texts(let fields):
            var texts = Texts()
            for row in fields.forms.indices {
                if rows.contains(row) { texts.append([], .absent) } else { texts.append(fields.texts.bytes[fields.texts.range(row)], fields.forms[row]) }
            }
            result.fields = .texts(texts)
        }
        return result
    }

    /// The values as they are written in text, in types of ours.
    ///
    /// - Throws: bytes that are no text.
    func plain(file: String) throws(TableError) -> PassedColumn {
        guard case .values(let column, let type) = fields else { return self }
        let field = ArrowField(name, type)
        let plain: ValueType
        switch type {
        case .null, .utf8, .largeUtf8: plain = .string
        case .bool: plain = .bool
        case .integer: plain = .int64
        case .float: plain = .float64
        case .date32, .date64, .timestamp: plain = .timestamp
        case .binary, .largeBinary: throw TableError(file: file, column: name, message: "holds bytes, which text files can't", advice: "write .arrow, or drop the column")
        }
        var result = self
        if case .integer(64, isSigned: false) = type, case .int64(let values) = column.values, values.contains(where: { $0 < 0 }) {
            var digits = StringColumn()
            for value in values { digits.append(String(UInt64(bitPattern: value))) }
            result.fields = .values(Column(.string(digits), validity: column.validity), .utf8)
            return result
        }
        let values = try TableError.explaining(file) { try field.values(column, as: plain) }
        result.fields = .values(values, ArrowType(plain))
        return result
    }

    /// As Arrow: texts as they stood, unless their values are known.
    ///
    /// - Parameter known: the column as the plan reads it.
    func arrow(known: Column?) -> (ArrowField, Column) {
        switch fields {
        case .values(let column, let type): return (ArrowField(name, type), column)
        case .texts(let fields):
            if let known { return (ArrowField(name, ArrowType(known.type)), known) }
            let validity = fields.forms.indices.map { !fields.isNull($0) }
            return (ArrowField(name, .utf8), Column(.string(fields.texts), validity: validity.contains(false) ? validity : nil))
        }
    }
}

extension Column {
    /// The same without what stood in some rows: not beneath a NULL either.
    func withNulls(in rows: Set<Int>) -> Column {
        var builder = ColumnBuilder(type)
        for row in 0..<count {
            if rows.contains(row) || isNull(row) {
                builder.appendNull()
            } else if case .string(let texts) = values {
                // As bytes: they may be no text.
                builder.append(bytes: texts.bytes[texts.range(row)])
            } else {
                builder.append(self[row])
            }
        }
        return builder.finish()
    }
}
