import FeatureLanguage
import FeatureStore
import Foundation
import Hummingbird
import HummingbirdCore
import Tables

/// A request's parameters, decoded like form fields (`+` is a space): each must be known and appear once.
struct Parameters {
    private var given: [String: String] = [:]

    /// The most bytes that a name, text or path in a request may have.
    static let longest = 1000

    /// - Throws: parameters that are unknown, given twice, too long or not UTF-8.
    init(_ request: Request, known: [String]) throws {
        for (key, value) in try Parameters.decoded(request) {
            guard value.utf8.count <= Parameters.longest else { throw Parameters.tooLong(key) }
            guard known.contains(key), given.updateValue(value, forKey: key) == nil else {
                throw Problem.shape(
                    "parameter '\(key.prefix(63))' is unknown or given twice; it takes \(known.joined(separator: ", "))"
                )
            }
        }
    }

    static func tooLong(_ name: String) -> Problem {
        Problem.shape("\(name.prefix(63)) has more than \(longest) bytes")
    }

    /// Decoded names and values, in order. A percent sign without two hexadecimal digits stands for itself.
    static func decoded(_ request: Request) throws -> [(key: String, value: String)] {
        try (request.uri.query ?? "").split(separator: "&").map { part in
            let texts = try part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                try text(Array($0.utf8))
            }
            return (texts[0], texts.count > 1 ? texts[1] : "")
        }
    }

    private static func text(_ bytes: [UInt8]) throws -> String {
        var decoded: [UInt8] = [], rest = bytes[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let high = digit(rest[rest.startIndex]),
                let low = digit(rest[rest.startIndex + 1])
            {
                decoded.append(high << 4 | low)
                rest.removeFirst(2)
            } else {
                decoded.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        guard let text = String(validating: decoded, as: UTF8.self) else {
            throw Problem.shape("a parameter is not UTF-8 text")
        }
        return text
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) }
    }

    subscript(name: String) -> String? { given[name] }

    func flag(_ name: String, default value: Bool = false) throws -> Bool {
        switch given[name] {
        case nil: value
        case "true"?, ""?: true
        case "false"?: false
        default: throw Problem.shape("\(name) is true or false")
        }
    }

    func number(_ name: String) throws -> Int64? {
        try given[name].map { text in
            guard let number = Int64(text) else { throw Problem.shape("\(name) is a whole number") }
            return number
        }
    }

    func instant(_ name: String) throws -> Instant? { try LookupRequest.instant(given[name].map { .string($0) }, name) }

    func reading() throws -> ReadOptions {
        let epoch = try given["epoch"].map { text in
            guard let epoch = Epoch(rawValue: text) else { throw Problem.shape("epoch is s, ms or us") }
            return epoch
        }
        let delimiter = try given["delimiter"].map { text in
            guard let delimiter = ReadOptions.delimiter(text) else {
                throw Problem.shape("delimiter is one character of ASCII, such as ; or \\t")
            }
            return delimiter
        }
        return ReadOptions(
            null: given["null"], epoch: epoch, ignoresExtra: try flag("ignore_extra"),
            delimiter: delimiter ?? UInt8(ascii: ","), names: .parameters)
    }
}

extension RequestContext {
    /// A part of the path, decoded: `a%20b` is `a b`.
    func parameter(_ name: String) throws -> String {
        let given = try parameters.require(name), text = given.removingPercentEncoding ?? given
        guard text.utf8.count <= Parameters.longest else { throw Parameters.tooLong(name) }
        return text
    }
}
