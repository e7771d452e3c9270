public import FeatureEngine
public import FeatureLanguage

extension ArrowField {
    /// Its values as a type of ours: the same numbers, texts and times, or an error that names the first row that isn't one.
    ///
    /// Integers go into int64 and float64 where they fit exactly, times of any unit into microseconds, dates into midnights; times without a zone are UTC.
    public func values(_ column: Column, as type: ValueType) throws(ArrowError) -> Column {
        switch (self.type, column.values, type) {
        case (.null, _, _): return Column(repeating: .null, type: type, count: column.count)
        case (.bool, _, .bool), (.float, _, .float64), (.utf8, _, .string), (.largeUtf8, _, .string): return column
        case (.integer(let bits, let isSigned), .int64(let values), .int64):
            if bits == 64, !isSigned, let row = first(column, { values[$0] < 0 }) { throw fault(type, row) }
            return column
        case (.integer(let bits, let isSigned), .int64(let values), .float64):
            let isHuge = { (row: Int) in values[row].magnitude > 1 << 53 || bits == 64 && !isSigned && values[row] < 0 }
            if let row = first(column, isHuge) { throw fault(type, row) }
            return Column(.float64(values.map { Double($0) }), validity: column.validity)
        case (.timestamp(let unit, _), .int64(let values), .timestamp): return try times(column, values, unit)
        case (.date32, .int64(let values), .timestamp): return try scaled(column, values, by: 86_400_000_000)
        case (.date64, .int64(let values), .timestamp): return try scaled(column, values, by: 1000)
        default: throw ArrowError("is \(self.type.description), not \(type.phrase)", column: name, advice: "cast it to \(ArrowType(type).description)")
        }
    }

    private func first(_ column: Column, _ isFault: (Int) -> Bool) -> Int? {
        (0..<column.count).first { !column.isNull($0) && isFault($0) }
    }

    private func fault(_ type: ValueType, _ row: Int) -> ArrowError { ArrowError("is not \(type.phrase)", column: name, row: row + 1) }

    private func times(_ column: Column, _ values: [Int64], _ unit: ArrowType.TimeUnit) throws(ArrowError) -> Column {
        switch unit {
        case .second: return try scaled(column, values, by: 1_000_000)
        case .millisecond: return try scaled(column, values, by: 1000)
        case .microsecond: return try scaled(column, values, by: 1)
        case .nanosecond:
            if let row = first(column, { values[$0] % 1000 != 0 }) {
                throw ArrowError("has nanoseconds", column: name, row: row + 1, advice: "times carry microseconds: cast it to timestamp[us]")
            }
            return Column(.timestamp(values.map { $0 / 1000 }), validity: column.validity)
        }
    }

    private func scaled(_ column: Column, _ values: [Int64], by factor: Int64) throws(ArrowError) -> Column {
        let range = Instant.range.lowerBound.microseconds / factor...Instant.range.upperBound.microseconds / factor
        if let row = first(column, { !range.contains(values[$0]) }) { throw fault(.timestamp, row) }
        return Column(.timestamp(factor == 1 ? values : values.map { $0 &* factor }), validity: column.validity)
    }
}
