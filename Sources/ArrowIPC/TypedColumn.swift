public import FeatureEngine
public import FeatureLanguage

extension ArrowField {
    /// Its values as a type of ours: the same numbers, texts and times, or an error that names the first row that isn't
    /// such a value.
    ///
    /// Numbers are read if they fit exactly, decimals as float64 if their digits come back, floats as decimals by the
    /// same rule, and whole floats as int64 (NaN is NULL). Times of any unit become microseconds, dates midnights, and
    /// midnights dates; times without a zone are UTC. UUIDs
    /// become texts, and dictionaries and runs become the values they stand for.
    public func values(_ column: ArrowColumn, as type: ValueType) throws(ArrowError) -> Column {
        switch column {
        case .flat(let column): return try values(column, as: type)
        case .other(let array): return try values(array, as: type)
        case .absent: return Column(repeating: .null, type: type, count: 0)
        }
    }

    private func values(_ column: Column, as type: ValueType) throws(ArrowError) -> Column {
        switch (self.type, column.values, type) {
        case (.null, _, _): return Column(repeating: .null, type: type, count: column.count)
        case (.bool, _, .bool), (.float, _, .float64), (.utf8, _, .string), (.largeUtf8, _, .string),
            (.utf8View, _, .string):
            return column
        case (.integer(let bits, let isSigned), .words(let values), .int64):
            if bits == 64, !isSigned, let row = first(column, { values[$0] < 0 }) { throw fault(type, row) }
            return column
        case (.integer(let bits, let isSigned), .words(let values), .float64):
            let isHuge = { (row: Int) in
                bits == 64
                    && (isSigned
                        ? Double(exactly: values[row]) == nil : Double(exactly: UInt64(bitPattern: values[row])) == nil)
            }
            if let row = first(column, isHuge) {
                throw fault(
                    type, row,
                    "a float64 would round it: declare the column int64, or cast it: \(type.rules.castAdvice)")
            }
            return Column(
                .float64, values.map { bits == 64 && !isSigned ? Double(UInt64(bitPattern: $0)) : Double($0) },
                validity: column.validity)
        case (.float, .floats(let values), .int64): return try whole(column, values)
        case (.timestamp(let unit, _), .words(let values), .timestamp): return try times(column, values, unit)
        case (.date32, .words(let values), .timestamp): return try scaled(column, values, by: 86_400_000_000)
        case (.date64, .words(let values), .timestamp): return try scaled(column, values, by: 1000)
        case (.date32, .words(let values), .date):
            if let row = first(column, { !Instant.days.contains(values[$0]) }) { throw fault(type, row) }
            return Column(.date, values, validity: column.validity)
        case (.date64, .words(let values), .date): return try dates(column, values, unit: 86_400_000)
        case (.timestamp(let unit, _), .words(let values), .date):
            return try dates(column, values, unit: 86_400 * Int64(unit.perSecond))
        case (.float, .floats(let values), .decimal(let precision, let scale)):
            return try decimals(
                column.count, isNull: column.isNull, type,
                "\(scale) digits after its point don't give it back: round it"
            ) { row in
                values[row].isNaN ? nil : .some(DecimalValue(exactly: values[row], precision, scale))
            }
        case (.integer(let bits, let isSigned), .words(let values), .decimal(let precision, let scale)):
            return try decimals(
                column.count, isNull: column.isNull, type, "it has more digits than the type: declare it wider"
            ) { row in
                let value = values[row]
                let whole = bits == 64 && !isSigned ? Int128(UInt64(bitPattern: value)) : Int128(value)
                return .some(DecimalValue(exactly: DecimalDigits(whole, scale: 0), precision, scale))
            }
        default: throw refusal(type)
        }
    }

    func refusal(_ type: ValueType) -> ArrowError {
        ArrowError(
            "is \(typeName), not \(type.phrase)", column: name,
            advice: "cast it to \(ArrowType(type).description): \(type.rules.castAdvice)")
    }

    private func first(_ column: Column, _ isFault: (Int) -> Bool) -> Int? {
        (0..<column.count).first { !column.isNull($0) && isFault($0) }
    }

    func fault(_ type: ValueType, _ row: Int, _ advice: String? = nil) -> ArrowError {
        ArrowError("is not \(type.phrase)", column: name, row: row + 1, advice: advice)
    }

    /// Reads floats that are whole numbers, which is what pandas makes of integers next to a NULL.
    private func whole(_ column: Column, _ values: [Double]) throws(ArrowError) -> Column {
        if let row = first(
            column, { !values[$0].isNaN && (values[$0].magnitude > 0x1p53 || values[$0] != values[$0].rounded()) })
        {
            throw fault(
                .int64, row,
                "a float is read where it is whole and at most 2^53: .round().astype(\"Int64\") in pandas makes others so"
            )
        }
        var validity = column.validity
        if values.contains(where: \.isNaN) { validity = values.indices.map { !values[$0].isNaN && !column.isNull($0) } }
        return Column(.int64, values.indices.map { validity?[$0] ?? true ? Int64(values[$0]) : 0 }, validity: validity)
    }

    /// Reads times that are all midnights in UTC, which is what pandas makes of dates.
    private func dates(_ column: Column, _ values: [Int64], unit: Int64) throws(ArrowError) -> Column {
        if let row = first(
            column, { values[$0] % unit != 0 || !Instant.days.contains(values[$0] / unit) })
        {
            throw fault(
                .date, row,
                "a time is read as a date where it is midnight in UTC: cast it: \(ValueType.date.rules.castAdvice)")
        }
        return Column(.date, values.map { $0 / unit }, validity: column.validity)
    }

    private func times(_ column: Column, _ values: [Int64], _ unit: ArrowType.TimeUnit) throws(ArrowError) -> Column {
        switch unit {
        case .second: return try scaled(column, values, by: 1_000_000)
        case .millisecond: return try scaled(column, values, by: 1000)
        case .microsecond: return try scaled(column, values, by: 1)
        case .nanosecond:
            if let row = first(column, { values[$0] % 1000 != 0 }) {
                throw ArrowError(
                    "has nanoseconds", column: name, row: row + 1,
                    advice: "times carry microseconds: cast it to timestamp[us], as with .dt.floor(\"us\") in pandas")
            }
            return Column(.timestamp, values.map { $0 / 1000 }, validity: column.validity)
        }
    }

    private func scaled(_ column: Column, _ values: [Int64], by factor: Int64) throws(ArrowError) -> Column {
        let range = Instant.range.lowerBound.microseconds / factor...Instant.range.upperBound.microseconds / factor
        if let row = first(column, { !range.contains(values[$0]) }) { throw fault(.timestamp, row) }
        return Column(.timestamp, factor == 1 ? values : values.map { $0 &* factor }, validity: column.validity)
    }
}

extension ArrowField {
    private func values(_ array: ArrowArray, as type: ValueType) throws(ArrowError) -> Column {
        switch (self.type, type) {
        case (.dictionary, _), (.runEndEncoded, _):
            guard let rows = array.meant() else { throw refusal(type) }
            let values = ArrowField(name, array.children[0].type)
            do {
                return try values.values(array.children[0].column, as: type).gathered(rows)
            } catch {
                guard error.row != nil else { throw error }
                // Some value isn't of the type: this says whether a row has it, and which.
                return try values.values(array.plain().column, as: type)
            }
        case (_, .list), (_, .vector):
            guard let lists = array.itemRanges else { throw refusal(type) }
            return try self.lists(array, lists, type)
        case (.fixedBinary(16), .string) where `extension` == "arrow.uuid":
            return Column(.string, array.uuids, validity: array.validity)
        case (.decimal(_, let given, bits: 128), .decimal(let precision, let scale)) where given == scale:
            return try wides(array, type, precision)
        case (.decimal, .decimal(let precision, let scale)), (.integer, .decimal(let precision, let scale)):
            return try decimals(
                array.count, isNull: array.isNull, type,
                "it has other digits than the type: cast it: \(type.rules.castAdvice)"
            ) {
                array.decimal($0).map { DecimalValue(exactly: $0, precision, scale) }
            }
        case (.decimal, .float64), (.decimal, .int64), (.integer, .float64), (.integer, .int64):
            var builder = ColumnBuilder(type)
            for row in 0..<array.count {
                guard !array.isNull(row), let number = array.decimal(row) else {
                    builder.appendNull()
                    continue
                }
                if type == .int64 {
                    guard let value = number.int64 else {
                        throw fault(type, row, "it has more digits, or some after its point: \(type.rules.castAdvice)")
                    }
                    builder.append(value)
                } else {
                    guard let value = number.float64 else {
                        throw fault(
                            type, row, "its digits wouldn't come back from a float64: cast it: \(type.rules.castAdvice)"
                        )
                    }
                    builder.append(value)
                }
            }
            return builder.finish()
        default: throw refusal(type)
        }
    }

    /// Its values as texts by which equal values are recognized, whatever type they come in; nil for types that have no
    /// such texts.
    public func texts(_ column: ArrowColumn) throws(ArrowError) -> (texts: StringColumn, validity: [Bool]?)? {
        guard case .other(let array) = column else { return nil }
        switch type {
        case .fixedBinary(16) where `extension` == "arrow.uuid": return (array.uuids, array.validity)
        case .decimal, .integer:
            var texts = StringColumn()
            for row in 0..<array.count { texts.append(array.isNull(row) ? "" : array.decimal(row)?.description ?? "") }
            return (texts, array.validity)
        case .time(let unit, _):
            var texts = StringColumn()
            for row in 0..<array.count { texts.append(array.isNull(row) ? "" : array.timeOfDay(row, unit)) }
            return (texts, array.validity)
        default: return nil
        }
    }

    /// This field and column with dictionaries and runs spelled out, as a flat type if possible.
    public func plain(_ column: ArrowColumn) throws(ArrowError) -> (field: ArrowField, column: ArrowColumn) {
        guard case .other(let array) = column, array.meant() != nil else { return (self, column) }
        var field = ArrowField(name, array.children[0].type)
        if case .runEndEncoded(_, let values) = type { field.metadata = values.metadata }
        return try field.plain(array.plain().column)
    }

    /// The values of several batches, one after the other.
    public func joined(_ columns: [ArrowColumn]) throws(ArrowError) -> ArrowColumn {
        guard let first = columns.first else { return empty }
        guard case .other = first else {
            return .flat(
                Column(concatenating: columns.compactMap { if case .flat(let column) = $0 { column } else { nil } }))
        }
        do {
            return .other(
                try ArrowArray(
                    concatenating: columns.compactMap { if case .other(let array) = $0 { array } else { nil } }))
        } catch {
            throw ArrowError(error.message, column: name, advice: error.advice)
        }
    }

    /// A column of this field without rows.
    public var empty: ArrowColumn {
        switch type {
        case .null, .bool: .flat(Column(.bool, .bits([])))
        case .integer(let bits, _) where bits <= 64: .flat(Column(.int64, .words([])))
        case .date32, .date64, .timestamp: .flat(Column(.int64, .words([])))
        case .float: .flat(Column(.float64, .floats([])))
        case .utf8, .largeUtf8, .utf8View, .binary, .largeBinary, .binaryView: .flat(Column(.string, StringColumn()))
        default: .other(ArrowArray(type))
        }
    }
}

extension Column {
    /// Values as they lie; their field says what they mean.
    init(plain values: Values, validity: [Bool]?) {
        let type: ValueType =
            switch values.layout {
            case .bits: .bool
            case .words: .int64
            case .floats: .float64
            case .wides: .decimal(precision: DecimalValue.maximumPrecision, scale: 0)
            case .bytes: .string
            case .packed: preconditionFailure("a list that is flat")
            }
        self.init(type, values, validity: validity)
    }
}

extension ArrowArray {
    /// The values of a dictionary or of runs, one for each row.
    func plain() throws(ArrowError) -> ArrowArray {
        var result = ArrowArray(children[0].type)
        for row in meant() ?? [] {
            if row < 0 { result.appendNull() } else { try result.append(children[0], Int(row)..<Int(row) + 1) }
        }
        return result
    }

    /// This array as a column of a batch has it, with flat types read.
    var column: ArrowColumn {
        func integers<T: FixedWidthInteger>(_ width: Int, _ type: T.Type) -> [Int64] {
            (0..<count).map {
                Int64(truncatingIfNeeded: T(truncatingIfNeeded: ArrowArray.integer(bytes, $0, width: width)))
            }
        }
        let values: FeatureEngine.Column.Values
        switch type {
        case .null:
            return .flat(
                Column(.bool, Array(repeating: false, count: count), validity: Array(repeating: false, count: count)))
        case .bool: values = .bits(bytes.map { $0 != 0 })
        case .integer(let bits, let isSigned) where bits <= 64:
            let width = bits / 8
            values =
                switch (bits, isSigned) {
                case (8, true): .words(integers(width, Int8.self))
                case (16, true): .words(integers(width, Int16.self))
                case (32, true): .words(integers(width, Int32.self))
                case (8, false): .words(integers(width, UInt8.self))
                case (16, false): .words(integers(width, UInt16.self))
                case (32, false): .words(integers(width, UInt32.self))
                default: .words(integers(width, Int64.self))
                }
        case .date32: values = .words(integers(4, Int32.self))
        case .date64, .timestamp: values = .words(integers(8, Int64.self))
        case .float(16):
            values = .floats((0..<count).map { HalfFloat.value(UInt16(ArrowArray.integer(bytes, $0, width: 2))) })
        case .float(32):
            values = .floats(
                (0..<count).map { Double(Float(bitPattern: UInt32(ArrowArray.integer(bytes, $0, width: 4)))) })
        case .float: values = .floats((0..<count).map { Double(bitPattern: ArrowArray.integer(bytes, $0, width: 8)) })
        case .utf8, .largeUtf8, .utf8View, .binary, .largeBinary, .binaryView:
            var texts = StringColumn()
            (texts.offsets, texts.bytes) = (places, bytes)
            values = .bytes(texts)
        default: return .other(self)
        }
        return .flat(Column(plain: values, validity: validity))
    }

    /// UUIDs as RFC 9562 writes them.
    fileprivate var uuids: StringColumn {
        let hexadecimal = Array("0123456789abcdef".utf8)
        var texts = StringColumn()
        for row in 0..<count {
            var text: [UInt8] = []
            if !isNull(row) {
                for (index, byte) in bytes[row * 16..<(row + 1) * 16].enumerated() {
                    if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
                    text += [hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]]
                }
            }
            texts.append(bytes: text)
        }
        return texts
    }

    /// A time of day, with as many decimals as the unit has, or none if they are all zero.
    fileprivate func timeOfDay(_ row: Int, _ unit: ArrowType.TimeUnit) -> String {
        let value = index(row, width: type.width ?? 8),
            scale = unit.perSecond, seconds = value / scale
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        let fraction = value % scale, digits = [0, 3, 6, 9][Int(unit.rawValue)], text = String(fraction)
        var result = "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        if fraction != 0 { result += "." + String(repeating: "0", count: max(0, digits - text.count)) + text }
        return result
    }
}

extension ArrowType {
    /// The type that one of ours is written as.
    public init(_ type: ValueType) {
        self =
            switch type {
            case .bool: .bool
            case .int64: .integer(bits: 64, isSigned: true)
            case .float64: .float(bits: 64)
            case .string: .utf8
            case .timestamp: .timestamp(.microsecond, zone: "UTC")
            case .date: .date32
            case .decimal(let precision, let scale): .decimal(precision: precision, scale: scale, bits: 128)
            case .list(let element): .list(ArrowField("item", ArrowType(element.type)))
            case .vector(let count): .fixedList(ArrowField("item", .float(bits: 32)), count: count)
            }
    }
}

extension ValueType {
    /// The type of ours that is written as this one; nil if none is.
    init?(written type: ArrowType) {
        switch type {
        case .bool: self = .bool
        case .integer(64, isSigned: true): self = .int64
        case .float(64): self = .float64
        case .utf8: self = .string
        case .timestamp(.microsecond, zone: "UTC"): self = .timestamp
        case .date32: self = .date
        case .decimal(let precision, let scale, bits: 128): self.init(precision: precision, scale: scale)
        case .list(let item):
            guard let element = ValueType(written: item.type).flatMap({ ScalarType($0) }) else { return nil }
            self = .list(element)
        case .fixedList(let item, let count) where item.type == .float(bits: 32): self.init(components: count)
        default: return nil
        }
    }
}
