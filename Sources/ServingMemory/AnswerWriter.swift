internal import FeatureEngine
internal import FeatureLanguage
internal import Tables

extension LookupAnswer {
    /// What all answers have in common: what precedes the instant, and what stands between it and the rows.
    static func frame(set: String?, features: [String], warnings: [String]) -> (opening: [UInt8], middle: [UInt8]) {
        var opening = Array("{".utf8), middle = Array("\",\"features\":".utf8)
        if let set { opening += "\"set\":\(JSON.string(set)),".utf8 }
        opening += "\"as_of\":\"".utf8
        JSON.array(features.map { .string($0) }).write(to: &middle)
        if !warnings.isEmpty {
            middle += (",\"warnings\":" + JSON.array(warnings.map { .string($0) }).description).utf8
        }
        middle += ",\"rows\":[".utf8
        return (opening, middle)
    }

    /// Writes the answer from values as they are in memory.
    static func write(_ cells: Cells, _ prepared: ServingPlan, rows: Int, at instant: Instant) -> [UInt8] {
        let textRules = prepared.textRules, layouts = prepared.layouts, width = cells.width
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            prepared.opening.count + prepared.middle.count + 64 + rows * (width * 24 + 32) + cells.texts.count)
        bytes += prepared.opening
        instant.append(to: &bytes)
        bytes += prepared.middle
        for row in 0..<rows {
            bytes += row > 0 ? LookupAnswer.nextRow : LookupAnswer.firstRow
            var areAllPresent = true
            for index in 0..<width {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                let word = cells.words[row * width + index], kind = cells.kinds[row * width + index]
                areAllPresent = areAllPresent && kind == .present
                if kind.isNull {
                    bytes += "null".utf8
                    continue
                }
                switch layouts[index] {
                case .floats: JSON.write(Double(bitPattern: word), to: &bytes)
                case .words: JSON.write(word: Int64(bitPattern: word), textRules[index], to: &bytes)
                case .bits: bytes += (word == 1 ? "true" : "false").utf8
                case .wides:
                    JSON.write(
                        DecimalValue(Int128(littleEndianBytes: cells.text(word)), of: prepared.types[index]), to: &bytes
                    )
                case .bytes: JSON.write(cells.text(word), to: &bytes)
                case .packed:
                    JSON(Literal(packed: cells.text(word)[...], prepared.types[index])).write(to: &bytes)
                }
            }
            if areAllPresent {
                bytes += prepared.allPresent
                continue
            }
            bytes += "],\"statuses\":[".utf8
            for index in 0..<width {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "\"\(cells.kinds[row * width + index].status.rawValue)\"".utf8
            }
            bytes += "]}".utf8
        }
        bytes.append(UInt8(ascii: "]"))
        if let age = cells.age { bytes += ",\"age_ms\":\(age.wholeMilliseconds)".utf8 }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private static let firstRow = Array("{\"values\":[".utf8)
    private static let nextRow = Array(",{\"values\":[".utf8)

    /// Appends the answer as JSON, optionally with its cuts and the types of its values.
    public func write(to bytes: inout [UInt8], cuts withCuts: Bool = false, types withTypes: Bool = false) {
        let (opening, middle) = LookupAnswer.frame(set: set, features: features, warnings: warnings)
        bytes.reserveCapacity(opening.count + middle.count + 64 + rowCount * columns.count * 28)
        bytes += opening
        asOf.append(to: &bytes)
        bytes += middle
        for row in 0..<rowCount {
            bytes += (row > 0 ? ",{\"values\":[" : "{\"values\":[").utf8
            for (index, column) in columns.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSON.write(column, row, to: &bytes)
            }
            bytes += "],\"statuses\":[".utf8
            for (index, statuses) in statuses.enumerated() {
                bytes += (index > 0 ? ",\"" : "\"").utf8
                bytes += statuses[row].rawValue.utf8
                bytes.append(UInt8(ascii: "\""))
            }
            bytes += "]}".utf8
        }
        bytes.append(UInt8(ascii: "]"))
        if let age { bytes += ",\"age_ms\":\(age.wholeMilliseconds)".utf8 }
        if let receipt { bytes += ",\"receipt\":\"\(receipt)\"".utf8 }
        if withTypes {
            bytes += (",\"types\":" + JSON.array(columns.map { .string($0.type.rawValue) }).description).utf8
        }
        if withCuts {
            bytes +=
                (",\"cuts\":"
                + JSON.object(cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }).description)
                .utf8
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

extension Duration {
    /// Whole milliseconds; `Int.max` for more than an Int holds, such as the time since something that never was.
    public var wholeMilliseconds: Int {
        let milliseconds = self / .milliseconds(1)
        return milliseconds < 9e18 ? Int(milliseconds) : .max
    }
}
