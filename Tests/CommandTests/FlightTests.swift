import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import TestSupport
import Tables
import Testing

/// All flights out of New York in 2013, end to end: the examples' definitions, imported, trained on and looked up.
@Suite(.enabled(if: sharedDirectory != nil, "the flights are not here")) struct FlightTests {
    @Test func `a month of flights: training equals a naive computation and the lookups, and hindsight leaks`()
        async throws
    {
        let data = sharedDirectory! + "/data/nycflights13"
        let project = try Project()
        #expect(try project.run("apply", projectDirectory + "/examples/flights/definitions.yaml").status == 0)
        for (source, file) in [("departures", "flight_events"), ("arrivals", "flight_events"), ("weather", "weather")] {
            let imported = try project.run(
                "import", source, "\(data)/\(file).csv.zst", "--null", "NA", "--ignore-extra")
            #expect(
                imported.text.contains(source == "weather" ? "26115 rows into" : "328521 rows into"), "\(imported.text)"
            )
        }
        let flights = try FlightTests.flights(data)
        let month = flights.filter {
            $0.scheduled >= Instant(text: "2013-03-01")!.microseconds
                && $0.scheduled < Instant(text: "2013-04-01")!.microseconds
        }
        try project.write(
            "spine.csv",
            "flight_id,carrier,tailnum,origin,dest,event_timestamp\n"
                + month.map {
                    "\($0.id),\($0.carrier),\($0.tail),\($0.origin),\($0.dest),\(Instant(microseconds: $0.scheduled))\n"
                }.joined())
        #expect(
            try project.run(
                "snapshot", "create", "--set", "arrival_delay.v1", "--spine", "spine.csv", "--out", "served.csv"
            ).status == 0)
        #expect(
            try project.run(
                "snapshot", "create", "--set", "arrival_delay.v1", "--spine", "spine.csv", "--out", "hindsight.csv",
                "--hindsight"
            ).status == 0)
        let served = try project.read("served.csv").split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let hindsight = try project.read("hindsight.csv").split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(served.count == month.count + 1)
        #expect(served[0].count == 6 + 16)
        compareNaively(served, flights, month)
        leak(served, hindsight)
        try await compareWithLookups(served, project)
    }

    // MARK: The leak

    private func leak(_ served: [[String]], _ hindsight: [[String]]) {
        let column = served[0].firstIndex(of: "carrier_delay_7d")!
        let different = zip(served, hindsight).dropFirst().count { $0[column] != $1[column] }
        #expect(
            different > served.count / 2,
            "in hindsight the carrier's delay knows of flights still in the air: \(different) rows")
        // What depends on departures alone has nothing to leak.
        let departures = served[0].firstIndex(of: "departures_1h")!
        #expect(zip(served, hindsight).allSatisfy { $0[departures] == $1[departures] })
    }

    // MARK: The naive computation

    struct Flight {
        var id: Int64
        var carrier, tail, origin, dest: String
        var scheduled, departed: Int64
        var arrived: Int64?
        var departureDelay: Int64
        var arrivalDelay, airTime: Int64?
        var distance: Int64
    }

    private static func flights(_ data: String) throws -> [Flight] {
        let columns: [ColumnDefinition] = [
            .init("flight_id", .int64), .init("carrier", .string), .init("tailnum", .string), .init("origin", .string),
            .init("dest", .string), .init("sched_dep_utc", .timestamp),
            .init("dep_utc", .timestamp),
            .init("arr_utc", .timestamp), .init("dep_delay", .int64), .init("arr_delay", .int64),
            .init("air_time", .int64), .init("distance", .int64),
        ]
        var reader = try TableReader(
            path: data + "/flight_events.csv.zst", schema: .init(columns), options: ReadOptions(ignoresExtra: true))
        let table = try reader.all()
        func text(_ column: Int, _ row: Int) -> String {
            if case .string(let text) = table.columns[column][row] { text } else { "" }
        }
        func number(_ column: Int, _ row: Int) -> Int64? {
            switch table.columns[column][row] {
            case .int64(let value): value
            case .timestamp(let instant): instant.microseconds
            default: nil
            }
        }
        return (0..<table.rowCount).map { row in
            Flight(
                id: number(0, row)!, carrier: text(1, row), tail: text(2, row), origin: text(3, row),
                dest: text(4, row), scheduled: number(5, row)!, departed: number(6, row)!,
                arrived: number(7, row),
                departureDelay: number(8, row)!, arrivalDelay: number(9, row), airTime: number(10, row),
                distance: number(11, row)!)
        }
    }

    /// The index of the first flight that left after an instant.
    private func first(_ flights: [Flight], after instant: Int64) -> Int {
        var low = 0, high = flights.count
        while low < high {
            let middle = (low + high) / 2
            if flights[middle].departed > instant { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func compareNaively(_ served: [[String]], _ flights: [Flight], _ month: [Flight]) {
        let day: Int64 = 86_400_000_000, hour: Int64 = 3_600_000_000
        func column(_ name: String) -> Int { served[0].firstIndex(of: name)! }
        var random = Randomness(seed: 2013)
        for _ in 0..<120 {
            let index = Int.random(in: 0..<month.count, using: &random)
            let flight = month[index], t = flight.scheduled, row = served[index + 1]
            // The file is in the order of departures.
            let recent = flights[first(flights, after: t - 30 * day)..<first(flights, after: t)]
            func departed(_ span: Int64, _ test: (Flight) -> Bool) -> [Flight] {
                recent.filter { $0.departed > t - span && test($0) }
            }
            func landed(_ span: Int64, _ test: (Flight) -> Bool) -> [Flight] {
                departed(span, test).filter { $0.arrived.map { $0 <= t } ?? false }
            }
            func mean(_ values: [Int64]) -> String {
                values.isEmpty ? "" : (Double(values.reduce(0, +)) / Double(values.count)).description
            }
            func last(_ flights: [Flight]) -> Flight? {
                flights.max { ($0.departed, $0.arrived ?? 0, $0.id) < ($1.departed, $1.arrived ?? 0, $1.id) }
            }
            let hasTail = !flight.tail.isEmpty
            let judged = landed(day) { $0.carrier == flight.carrier }.compactMap(\.arrivalDelay)
            let worst = departed(3 * hour) { $0.origin == flight.origin }.map(\.departureDelay).max()
            let route = departed(7 * day) { $0.origin == flight.origin && $0.dest == flight.dest }.map(\.departureDelay)
            var expected: [String: String] = [:]
            expected["departures_1h"] = String(departed(hour) { $0.origin == flight.origin }.count)
            expected["worst_delay_3h"] = worst.map { String($0) } ?? ""
            expected["carrier_delay_7d"] = mean(
                landed(7 * day) { $0.carrier == flight.carrier }.compactMap(\.arrivalDelay))
            expected["carrier_late_share_1d"] =
                judged.isEmpty ? "" : (Double(judged.count { $0 > 15 }) / Double(judged.count)).description
            expected["carrier_flights_1d"] = String(departed(day) { $0.carrier == flight.carrier }.count)
            expected["route_air_time_30d"] = mean(
                landed(30 * day) { $0.origin == flight.origin && $0.dest == flight.dest }.compactMap(\.airTime))
            expected["route_delay_vs_origin"] =
                route.isEmpty || worst == nil
                ? "" : (Double(route.reduce(0, +)) / Double(route.count) - Double(worst!)).description
            let tail = departed(30 * day) { $0.tail == flight.tail }
            let tailLanded = landed(7 * day) { $0.tail == flight.tail && $0.arrivalDelay != nil }
            expected["tail_flights_30d"] = hasTail ? String(tail.count) : ""
            expected["tail_destinations_30d"] = hasTail ? String(Set(tail.map(\.dest)).count) : ""
            expected["tail_last_distance"] = hasTail ? last(tail).map { String($0.distance) } ?? "" : ""
            expected["tail_last_delay"] = hasTail ? last(tailLanded).map { String($0.arrivalDelay!) } ?? "" : ""
            expected["late"] = flight.arrivalDelay.map { String($0 > 15) } ?? ""
            for (name, value) in expected { #expect(row[column(name)] == value, "flight \(flight.id), \(name)") }
        }
    }

    // MARK: Training equals serving

    private func compareWithLookups(_ served: [[String]], _ project: Project) async throws {
        let store = Store(uri: project.environment["FIRN_DATABASE_URL"]!, actor: "tester", connections: 2)
        var random = Randomness(seed: 7)
        for _ in 0..<1000 {
            let row = served[Int.random(in: 1..<served.count, using: &random)]
            func value(_ text: String) -> [LookupRequest.Value] { [text.isEmpty ? .json(.null) : .text(text)] }
            let answer = try await store.serving.lookup(
                LookupRequest(
                    .set("arrival_delay.v1"),
                    entities: [
                        "carrier": value(row[1]), "tailnum": value(row[2]), "origin": value(row[3]),
                        "dest": value(row[4]),
                    ],
                    asOf: Instant(text: row[5])!))
            let looked = answer.columns.map { $0.isNull(0) ? "" : JSON($0[0]).description }
            guard looked == Array(row[6..<21]) else {
                Issue.record("\(row): \(looked)")
                return
            }
        }
    }
}
