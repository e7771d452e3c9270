internal import FeatureLanguage

/// One JSON value per line.
struct LineParser {
    private let reader: ByteReader
    private let name: String
    private var window: [UInt8] = []
    private var position = 0
    private var line = 0
    /// The line and value that were parsed already, but not yet handed out.
    private var waiting: (Int, JSON)?

    static let maximumLine = 16 << 20

    init(_ reader: ByteReader, name: String) {
        self.reader = reader
        self.name = name
    }

    /// The line of the next value, counted from 1, and the value; blank lines are skipped. Nil at the end.
    mutating func next() throws(TableError) -> (Int, JSON)? {
        defer { waiting = nil }
        return try peek()
    }

    /// What `next` will return, without advancing.
    mutating func peek() throws(TableError) -> (Int, JSON)? {
        if waiting == nil { waiting = try parse() }
        return waiting
    }

    private mutating func parse() throws(TableError) -> (Int, JSON)? {
        while true {
            guard var bytes = try nextLine() else { return nil }
            line += 1
            if line == 1, let encoding = TextEncoding(Array(bytes.prefix(4))) { throw encoding.fault(name) }
            // A byte-order mark before the first row.
            if line == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
            if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do {
                return (line, try JSON(parsing: Array(bytes)))
            } catch {
                throw TableError(file: name, line: line, message: error.description)
            }
        }
    }

    private mutating func nextLine() throws(TableError) -> ArraySlice<UInt8>? {
        var searched = position
        while true {
            if let end = window[searched...].firstIndex(of: 0x0A) {
                let bytes = window[position..<end]
                position = end + 1
                return bytes
            }
            guard window.count - position <= LineParser.maximumLine else {
                throw TableError(
                    file: name, line: line + 1, message: "a line of more than \(LineParser.maximumLine >> 20) MiB")
            }
            window.removeFirst(position)
            position = 0
            searched = window.count
            guard let piece = try reader.next() else {
                guard !window.isEmpty else { return nil }
                position = window.count
                return window[...]
            }
            window += piece
        }
    }
}
