internal import FeatureLanguage

/// `count(distinct x)`: how many distinct values are present. Values are numbered, and occurrences counted by number.
final class DistinctState: AggregateState {
    private let numbers: [Int32]
    private let takes: [Bool]?
    private var base = 0
    private var occurrences: [Int32]
    private var touched: [Int32] = []
    private var distinct: Int64 = 0
    private var output: [Int64] = []

    init(_ input: AggregateInput) {
        let argument = input.argument!
        let table = TupleTable([argument], count: argument.count)
        numbers = table.numbers
        occurrences = Array(repeating: 0, count: table.count)
        takes = input.selection.takes
    }

    func reserve(_ count: Int) { output.reserveCapacity(count) }

    func begin(_ range: Range<Int>) {
        for number in touched { occurrences[Int(number)] = 0 }
        touched.removeAll(keepingCapacity: true)
        base = range.lowerBound
        distinct = 0
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true {
            let number = numbers[base + Int(row)]
            if occurrences[Int(number)] == 0 {
                distinct += 1
                touched.append(number)
            }
            occurrences[Int(number)] += 1
        }
    }

    func leave(_ rows: [Int32]) {
        for row in rows where takes?[base + Int(row)] ?? true {
            let number = Int(numbers[base + Int(row)])
            occurrences[number] -= 1
            if occurrences[number] == 0 { distinct -= 1 }
        }
    }

    func record(at instant: Int64) { output.append(distinct) }
    func finish() -> Column { Column(.int64, output) }
}
