internal import FeatureLanguage

/// `avg` of vectors: by component, exact until it is rounded to float32, once.
struct VectorAverages: Accumulation {
    struct Total {
        /// The sum of each component in units of 2^−149.
        var sums: [Superaccumulator]
        var count = 0
    }

    private let vectors: Column
    private let components: [Float]
    private let width: Int

    init(_ argument: Column) {
        guard case .vector(let count) = argument.type else {
            preconditionFailure("vectors of \(argument.type.rawValue)")
        }
        vectors = argument
        components = argument.components
        width = count
    }

    var type: ValueType { vectors.type }

    // A float32 begins at one of 2^−149 to 2^104.
    var zero: Total { Total(sums: Array(repeating: Superaccumulator(bits: 254), count: width)) }

    func reset(_ total: inout Total) {
        for index in total.sums.indices { total.sums[index].reset() }
        total.count = 0
    }

    func add(_ row: Int, to total: inout Total) { change(&total, row, isAdded: true) }
    func remove(_ row: Int, from total: inout Total) { change(&total, row, isAdded: false) }

    private func change(_ total: inout Total, _ row: Int, isAdded: Bool) {
        total.count += isAdded ? 1 : -1
        for index in 0..<width {
            let bits = components[row * width + index].bitPattern, field = Int(bits >> 23 & 0xFF)
            let fraction = Int64(bits & 0x7F_FFFF), mantissa = field == 0 ? fraction : fraction | 1 << 23
            if mantissa == 0 { continue }
            total.sums[index].add(
                mantissa: mantissa, at: max(0, field - 1), isNegative: (bits >> 31 == 1) == isAdded)
        }
    }

    func record(_ total: inout Total, in output: inout ColumnBuilder) {
        if total.count == 0 { return output.appendNull() }
        let count = Natural(UInt128(total.count))
        output.append(
            .vector(
                total.sums.indices.map { index in
                    if total.sums[index].settle() { return 0 }
                    let sum = total.sums[index]
                    let mean = Natural.nearest(sum.magnitude, over: count, unit: 32 * sum.low - 149, as: .float32)
                    return Float(sum.chunks[sum.high] < 0 ? -mean : mean)
                }))
    }
}
