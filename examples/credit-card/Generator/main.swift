// Makes the demo's data: the same rows every time, late ones, corrections and reversals among them.
//
//     credit-card-data DIRECTORY [payments]
//
// transactions.csv  payments as the card network told them, in the order they became known
// customers.csv     where each customer lives
// spine.csv         payments to train on: customer, merchant, amount and the instant

import Foundation

guard CommandLine.arguments.count >= 2 else {
    FileHandle.standardError.write(Data("usage: credit-card-data DIRECTORY [payments]\n".utf8))
    exit(2)
}
let directory = URL(fileURLWithPath: CommandLine.arguments[1], isDirectory: true)
let payments = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 100_000 : 100_000

/// splitmix64: small, and the same everywhere.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// A time of 2024 as text: seconds since its first day.
func text(_ second: Int) -> String {
    var day = second / 86400
    var month = 0
    let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    while month < 11, day >= lengths[month] {
        day -= lengths[month]
        month += 1
    }
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let rest = second % 86400
    return "2024-\(two(month + 1))-\(two(day + 1))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
}

func money(_ cents: Int) -> String { "\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)" }

var random = Generator(state: 2024)
let customers = max(10, payments / 50), merchants = max(5, payments / 500)
let countries = ["DE", "FR", "IT", "ES", "NL", "AT", "CH", "US"]

var homes: [String] = []
var people = "customer_id,home_country,joined_at\n"
for customer in 0..<customers {
    homes.append(countries[random.below(6)])
    people += "\(customer + 1),\(homes[customer]),\(text(random.below(30 * 86400)))\n"
}

/// One line of the file, with when it became known.
var lines: [(known: Int, text: String)] = []
var spine: [(second: Int, text: String)] = []
let year = 180 * 86400
for payment in 0..<payments {
    // Some customers pay far more often than others.
    let customer = random.below(random.below(customers) + 1)
    let merchant = "m\(random.below(random.below(merchants) + 1) + 1)"
    let occurred = random.below(year)
    let cents = 100 + random.below(20_000) * (random.chance(3) ? 10 : 1)
    let country = random.chance(92) ? homes[customer] : countries[random.below(countries.count)]
    // Mostly known within seconds; one in twenty arrives up to two days late.
    let delay = random.chance(5) ? 3600 + random.below(2 * 86400) : random.below(20)
    let id = "t\(payment + 1)"
    let declined = random.chance(6)
    func row(_ amount: Int, _ status: String, _ reversed: Bool, _ known: Int) -> (known: Int, text: String) {
        (
            known,
            "\(id),\(customer + 1),\(merchant),\(money(amount)),\(country),\(status),\(reversed),\(text(occurred)),\(text(known))\n"
        )
    }
    lines.append(row(cents, declined ? "declined" : "settled", false, occurred + delay))
    if !declined, random.chance(2) {
        lines.append(row(cents + random.below(500), "settled", false, occurred + delay + 3600 + random.below(86400)))
    }
    if !declined, random.chance(1) {
        lines.append(row(cents, "charged_back", false, occurred + delay + 5 * 86400 + random.below(5 * 86400)))
    }
    if random.chance(1) { lines.append(row(cents, "settled", true, occurred + delay + 7200 + random.below(86400))) }
    if payment % 5 == 0, occurred > 30 * 86400 {
        spine.append((occurred, "\(customer + 1),\(merchant),\(money(cents)),\(text(occurred))\n"))
    }
}
lines.sort { ($0.known, $0.text) < ($1.known, $1.text) }
spine.sort { ($0.second, $0.text) < ($1.second, $1.text) }

let titles = "transaction_id,customer_id,merchant_id,amount,country,status,reversed,occurred_at,recorded_at\n"
do {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try (titles + lines.map(\.text).joined()).write(
        to: directory.appendingPathComponent("transactions.csv"), atomically: true, encoding: .utf8)
    try people.write(to: directory.appendingPathComponent("customers.csv"), atomically: true, encoding: .utf8)
    try ("customer_id,merchant_id,amount,event_timestamp\n" + spine.map(\.text).joined()).write(
        to: directory.appendingPathComponent("spine.csv"), atomically: true, encoding: .utf8)
    print("\(lines.count) rows of \(payments) payments, \(customers) customers, \(spine.count) spine rows")
} catch {
    FileHandle.standardError.write(Data("\(error.localizedDescription)\n".utf8))
    exit(1)
}
