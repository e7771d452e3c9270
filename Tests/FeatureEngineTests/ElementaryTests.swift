import FeatureEngine
import TestSupport
import Testing

/// `ln log exp power sqrt` against correctly rounded values, which `Tests/Golden/elementary.py` computes in decimal
/// arithmetic of 120 digits.
@Suite struct ElementaryTests {
    @Test(
        arguments: [
            ("ln", [0.1], 0xc002_6bb1_bbb5_5515),
            ("ln", [2.0], 0x3fe6_2e42_fefa_39ef),
            ("ln", [10.0], 0x4002_6bb1_bbb5_5516),
            ("ln", [0.9999999999999999], 0xbca0_0000_0000_0000),
            ("ln", [1.0000000000000002], 0x3caf_ffff_ffff_ffff),
            ("ln", [.leastNonzeroMagnitude], 0xc087_4385_446d_71c3),
            ("ln", [1.7976931348623157e+308], 0x4086_2e42_fefa_39ef),
            ("log", [0.1], 0xbff0_0000_0000_0000),
            ("log", [2.0], 0x3fd3_4413_509f_79ff),
            ("log", [1000.0], 0x4008_0000_0000_0000),
            ("log", [1e+22], 0x4036_0000_0000_0000),
            ("log", [1e-05], 0xc014_0000_0000_0000),
            ("log", [0.9999999999999999], 0xbc8b_cb7b_1526_e50f),
            ("log", [.leastNonzeroMagnitude], 0xc074_34e6_420f_4374),
            ("exp", [1.0], 0x4005_bf0a_8b14_5769),
            ("exp", [-1.0], 0x3fd7_8b56_362c_ef38),
            ("exp", [0.1], 0x3ff1_aec7_b35a_00d4),
            ("exp", [1e-17], 0x3ff0_0000_0000_0000),
            ("exp", [709.782712893384], 0x7fef_ffff_ffff_ff2a),
            ("exp", [709.7827128933841], 0x7ff0_0000_0000_0000),
            ("exp", [-745.1332191019411], 0x0000_0000_0000_0001),
            ("exp", [-745.1332191019412], 0x0000_0000_0000_0000),
            ("exp", [-708.5], 0x000e_6cf6_d088_97ac),
            ("exp", [-744.0], 0x0000_0000_0000_0002),
            ("power", [2.0, 0.5], 0x3ff6_a09e_667f_3bcd),
            ("power", [10.0, 3.0], 0x408f_4000_0000_0000),
            ("power", [10.0, -3.0], 0x3f50_624d_d2f1_a9fc),
            ("power", [1.0000001, 10000000.0], 0x4005_bf0a_790c_e6f2),
            ("power", [0.1, 2.0], 0x3f84_7ae1_47ae_147c),
            ("power", [94906265.62425156, 2.0], 0x4340_0000_0000_0001),
            ("power", [134217729.0, 2.0], 0x4350_0000_0400_0000),
            ("power", [2.0, -1074.0], 0x0000_0000_0000_0001),
            ("power", [2.0, -1073.5], 0x0000_0000_0000_0001),
            ("power", [2.0, 1023.9999], 0x7fef_ff6e_a43b_d988),
            ("power", [3.0, 40.0], 0x43e5_1716_8a45_23fd),
            ("power", [1.1, 64.0], 0x407b_dcaa_43ae_86e3),
            ("sqrt", [2.0], 0x3ff6_a09e_667f_3bcd), ("sqrt", [0.1], 0x3fd4_3d13_6248_490f),
        ] as [(String, [Double], UInt64)])
    func `golden bits`(function: String, arguments: [Double], bits: UInt64) throws {
        let names = ["x", "y"].prefix(arguments.count)
        let call = "\(function)(\(names.map { "request.\($0)" }.joined(separator: ", ")))"
        let value = try evaluate(call, Dictionary(uniqueKeysWithValues: zip(names, arguments.map { [$0] })))[0]
        #expect(value?.bitPattern == bits, "\(call) of \(arguments): \(value.debugDescription)")
    }

    /// Each over 20,000 values of all sizes: not one is a unit in the last place off.
    @Test(
        arguments: [
            ("ln", 1, 1...2046, nil, 0x858a_8df0_4380_8f7b), ("ln", 2, 1021...1024, nil, 0x18c5_3abd_aeec_6dd8),
            ("log", 3, 1...2046, nil, 0xc2cd_4b2c_96a5_4fa2),
            ("exp", 4, 960...1032, nil, 0x1647_e212_6858_b3bc),
            ("power", 5, 1000...1050, 1010...1030, 0xea7b_905f_5b9b_ee60),
        ] as [(String, UInt64, ClosedRange<UInt64>, ClosedRange<UInt64>?, UInt64)])
    func `random values are correctly rounded`(
        function: String, seed: UInt64, x: ClosedRange<UInt64>, y: ClosedRange<UInt64>?, hash: UInt64
    ) throws {
        var random = Randomness(seed: seed)
        var xs: [Double] = [], ys: [Double] = []
        for _ in 0..<20_000 {
            let first = double(x, &random)
            xs.append(function == "exp" ? first : first.magnitude)
            if let y { ys.append(double(y, &random)) }
        }
        let values =
            try y == nil
            ? evaluate("\(function)(request.x)", ["x": xs])
            : evaluate("power(request.x, request.y)", ["x": xs, "y": ys])
        #expect(fingerprint(values) == hash)
    }

    @Test func `whole powers are correctly rounded`() throws {
        var random = Randomness(seed: 6)
        var xs: [Double] = [], ys: [Double] = []
        for _ in 0..<20_000 {
            xs.append(double(1003...1043, &random).magnitude)
            ys.append(Double(random.next() % 41) - 20)
        }
        #expect(fingerprint(try evaluate("power(request.x, request.y)", ["x": xs, "y": ys])) == 0x6fe7_c8bf_5644_12e7)
    }

    @Test(
        arguments: [
            ("ln(0.0)", nil), ("ln(-1.0)", nil), ("log(0.0)", nil), ("log(-0.0)", nil),
            ("ln('inf'::float64)", .infinity), ("ln('nan'::float64)", .nan), ("ln(1)", 0),
            ("log('inf'::float64)", .infinity), ("log('nan'::float64)", .nan),
            ("exp(1000.0)", .infinity), ("exp('-inf'::float64)", 0), ("exp('inf'::float64)", .infinity),
            ("exp(-1000)", 0), ("exp(0)", 1), ("exp('nan'::float64)", .nan),
            ("power(0, 0)", 1), ("power('nan'::float64, 0)", 1), ("power(1, 'nan'::float64)", 1), ("power(0, -1)", nil),
            ("power(-8, 1.0 / 3)", nil), ("power(-2, 3)", -8),
            ("power(-2, -2)", 0.25), ("power(-0.0, 3)", -0.0), ("power(-0.0, 2)", 0), ("power(10, 400)", .infinity),
            ("power(-10, 401)", -.infinity), ("power(10, -400)", 0),
            ("power('inf'::float64, -1)", 0), ("power('-inf'::float64, 3)", -.infinity),
            ("power('-inf'::float64, 2)", .infinity), ("power(-1, 'inf'::float64)", 1),
            ("power(0.5, 'inf'::float64)", 0), ("power(0.5, '-inf'::float64)", .infinity),
            ("power(2, '-inf'::float64)", 0), ("power('nan'::float64, 1)", .nan),
            ("power(2, 1e300)", .infinity), ("power(0.5, 1e300)", 0), ("sqrt(-1)", nil), ("sqrt(-0.0)", -0.0),
            ("sqrt('inf'::float64)", .infinity),
        ] as [(String, Double?)])
    func `outside the domain it is NULL, beyond the range infinite`(expression: String, expected: Double?) throws {
        let value = try evaluate(expression, [:] as [String: [Double]])[0]
        if let expected, expected.isNaN {
            #expect(value?.isNaN == true)
        } else {
            #expect(value?.bitPattern == expected?.bitPattern, "\(value.debugDescription)")
        }
    }

    private func double(_ exponents: ClosedRange<UInt64>, _ random: inout Randomness) -> Double {
        let word = random.next()
        let exponent = exponents.lowerBound + (word >> 52 & 0x7FF) % (exponents.upperBound - exponents.lowerBound + 1)
        return Double(bitPattern: word & 0x800F_FFFF_FFFF_FFFF | exponent << 52)
    }

    /// FNV-1a over the words of the bits.
    private func fingerprint(_ values: [Double?]) -> UInt64 {
        values.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ ($1?.bitPattern ?? 0)) &* 0x100_0000_01B3 }
    }
}
