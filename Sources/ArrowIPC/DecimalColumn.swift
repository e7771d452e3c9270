internal import FeatureEngine
internal import FeatureLanguage

// Numbers as decimals of ours, and the digits of Arrow's.

extension ArrowField {
    /// A decimal for each of `count` values.
    ///
    /// - Parameter decimal: the value's, which is nil where something would be lost; nil for a value that means NULL.
    func decimals(
        _ count: Int, isNull: (Int) -> Bool, _ type: ValueType, _ advice: String, _ decimal: (Int) -> DecimalValue??
    ) throws(ArrowError) -> Column {
        var builder = ColumnBuilder(type)
        builder.reserve(count)
        for row in 0..<count {
            guard !isNull(row), let present = decimal(row) else {
                builder.appendNull()
                continue
            }
            guard let value = present else { throw fault(type, row, advice) }
            builder.append(value.unscaled)
        }
        return builder.finish()
    }

    /// Decimals of 128 bits, at the scale that they have.
    func wides(_ array: ArrowArray, _ type: ValueType, _ precision: Int) throws(ArrowError) -> Column {
        let limit = DecimalValue.powers[precision].magnitude
        var wides: [Int128] = []
        wides.reserveCapacity(array.count)
        for row in 0..<array.count {
            let value = array.isNull(row) ? 0 : Int128(littleEndianBytes: array.bytes[row * 16..<row * 16 + 16])
            if value.magnitude >= limit { throw fault(type, row, "it has more digits than the type: declare it wider") }
            wides.append(value)
        }
        return Column(type, wides, validity: array.validity)
    }
}

extension ArrowArray {
    /// The digits of a decimal or of a 128-bit integer; nil for other types.
    func decimal(_ row: Int) -> DecimalDigits? {
        let width: Int, scale: Int, isSigned: Bool
        switch type {
        case .decimal(_, let places, let bits): (width, scale, isSigned) = (bits / 8, places, true)
        case .integer(let bits, let signed): (width, scale, isSigned) = (bits / 8, 0, signed)
        default: return nil
        }
        var value = Array(bytes[row * width..<(row + 1) * width])
        let isNegative = isSigned && value[width - 1] >= 0x80
        if isNegative {
            var carry: UInt16 = 1
            for index in value.indices {
                carry += UInt16(~value[index])
                value[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
        }
        while value.last == 0 { value.removeLast() }
        if value.count <= 16 {
            let magnitude = value.reversed().reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            return DecimalDigits(String(magnitude).utf8.map { $0 &- 0x30 }, scale: scale, isNegative: isNegative)
        }
        // Long division by ten, the last digit first.
        var digits: [UInt8] = []
        while !value.isEmpty {
            var rest: UInt16 = 0
            for index in value.indices.reversed() {
                rest = rest << 8 | UInt16(value[index])
                value[index] = UInt8(rest / 10)
                rest %= 10
            }
            digits.append(UInt8(rest))
            while value.last == 0 { value.removeLast() }
        }
        return DecimalDigits(digits.reversed(), scale: scale, isNegative: isNegative)
    }
}
