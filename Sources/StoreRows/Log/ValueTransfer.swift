package import FeatureEngine
package import FeatureLanguage
package import Postgres

// How values of our types travel to PostgreSQL and back.

extension SQL {
    /// A text in the form that indexes hold (migrations/0009_hashed_keys.sql).
    package var hashed: SQL { "hashtextextended(\(self), 0)" }
}

extension ValueType {
    /// Whether two of its values are equal, in a form that an index can answer.
    package func equal(_ left: SQL, _ right: SQL) -> SQL {
        layout == .bytes ? "\(left) = \(right) and \(left.hashed) = \(right.hashed)" : "\(left) = \(right)"
    }

    /// PostgreSQL's name for the type.
    package var sql: SQL { SQL(raw: rules.sqlName) }

    var parameterKind: Parameter.Kind {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .text
        case .timestamp: .timestamp
        case .date: .date
        case .decimal: .numeric
        case .list, .vector: preconditionFailure("lists are copied, not bound")
        }
    }
}

extension Literal {
    package func parameter(_ type: ValueType) -> Parameter {
        switch self {
        case .null: .null(type.parameterKind)
        case .bool(let value): .bool(value)
        case .int64(let value): .int64(value)
        case .float64(let bits): .float64(Double(bitPattern: bits))
        case .string(let text): .text(text)
        case .timestamp(let instant): .timestamp(instant.microseconds)
        case .date(let days): .date(days)
        case .decimal(let value): .numeric(unscaled: value.unscaled, scale: value.scale)
        case .list, .vector: preconditionFailure("lists are copied, not bound")
        }
    }
}

extension Rows.Row {
    /// A value of one of our types.
    package func literal(_ column: Int, _ type: ValueType) throws -> Literal {
        if isNull(column) { return .null }
        return switch type {
        case .bool: try .bool(bool(column))
        case .int64: try .int64(int64(column))
        case .float64: try .float64(bits: bytes(column).reduce(0) { $0 << 8 | UInt64($1) })
        case .string: try .string(text(column))
        case .timestamp: try .timestamp(Instant(microseconds: timestamp(column)))
        case .date: try .date(days: date(column))
        case .decimal(let precision, let scale):
            try .decimal(DecimalValue(numeric(column, scale: scale), precision: precision, scale: scale))
        case .list, .vector:
            read(column) { reader in
                var builder = ColumnBuilder(type)
                builder.append(&reader)
                return builder.finish()[0]
            }
        }
    }
}

extension Column {
    /// Its values as a single array to bind. Not inlined, since Swift 6.3's optimizer fails if it is.
    @inline(never)
    var parameter: Parameter {
        let type = type
        var values: [Parameter] = []
        for row in 0..<count { values.append(self[row].parameter(type)) }
        return .array(type.parameterKind, values)
    }
}

extension CopyWriter {
    /// Writes one value of a column.
    package mutating func write(_ column: Column, _ row: Int) {
        if column.isNull(row) { return writeNull() }
        switch column.values {
        case .bits(let values): write(values[row])
        case .words(let values):
            switch column.type {
            case .timestamp: write(timestamp: values[row])
            case .date: write(date: values[row])
            case .bool, .int64, .float64, .string, .decimal, .list, .vector: write(values[row])
            }
        case .floats(let values): write(values[row])
        case .wides(let values): write(values[row], scale: column.type.scale)
        case .bytes(let values): write(bytes: values.bytes[values.range(row)])
        case .packed(let values):
            guard case .list(let element) = column.type else {
                return write(reals: values.bytes[values.range(row)])
            }
            let elements = column.gathered([Int32(row)]).unpacked().elements
            writeArray(of: element.type.parameterKind, count: elements.count) { writer in
                for index in 0..<elements.count { writer.write(elements, index) }
            }
        }
    }
}

extension ColumnBuilder {
    package mutating func append(_ reader: inout RowReader) {
        switch type {
        case .bool: if let value = reader.bool() { append(value) } else { appendNull() }
        case .int64: if let value = reader.int64() { append(value) } else { appendNull() }
        case .float64: if let value = reader.float64() { append(value) } else { appendNull() }
        case .timestamp: if let value = reader.timestamp() { append(value) } else { appendNull() }
        case .date: if let value = reader.date() { append(value) } else { appendNull() }
        case .decimal(_, let scale): if let value = reader.numeric(scale: scale) { append(value) } else { appendNull() }
        case .string: if let value = reader.text() { append(bytes: value) } else { appendNull() }
        case .vector(let count):
            if let value = reader.reals(), value.count == 4 * count { append(bytes: value) } else { appendNull() }
        case .list(let element):
            var elements = ColumnBuilder(element.type)
            if reader.array({ elements.append(&$0) }) == nil {
                appendNull()
            } else {
                append(list: elements.finish())
            }
        }
    }
}
