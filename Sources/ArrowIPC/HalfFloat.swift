/// IEEE 754 binary16 by its bits, since not every platform has the type.
enum HalfFloat {
    static func value(_ bits: UInt16) -> Double {
        let sign: Double = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 0x1F), fraction = Double(bits & 0x3FF)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction * 0x1p-10) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }

    /// The sixteen bits of a value that came from `value`.
    static func bits(_ value: Double) -> UInt16 {
        let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
        if value.isNaN { return 0x7E00 }
        if value.isInfinite { return sign | 0x7C00 }
        let magnitude = value.magnitude
        if magnitude < 0x1p-14 { return sign | UInt16(magnitude * 0x1p24) }
        return sign | UInt16(magnitude.exponent + 15) << 10 | UInt16((magnitude.significand - 1) * 0x1p10)
    }
}
