import Tables
import FeatureLanguage

/// The API's paths and their methods, as openapi.json describes them.
enum DescribedPaths {
    private static let described: [JSON.Member] = {
        guard case .object(let paths)? = (try? JSON(parsing: PackageResources.openapi_json))?["paths"] else {
            return []
        }
        return paths
    }()

    private static let all: [(segments: [Substring], methods: [String])] = described.map { path in
        guard case .object(let operations) = path.value else { return ([], []) }
        let methods = operations.map { $0.key.uppercased() }
        return (
            segments: path.key.split(separator: "/"),
            methods: (methods.contains("GET") ? methods + ["HEAD"] : methods).sorted()
        )
    }

    /// The methods that a path accepts; empty if there is no such path.
    static func methods(_ path: String) -> [String] {
        let asked = path.split(separator: "/")
        let known = all.filter { path in
            path.segments.count == asked.count && zip(path.segments, asked).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
        return Set(known.flatMap(\.methods)).sorted()
    }

    /// The media types of bodies that can be posted to a path; a path that takes no body has no entry.
    static let bodyTypes: [String: Set<String>] = {
        var types: [String: Set<String>] = [:]
        for path in described {
            guard let body = path.value["post"]?["requestBody"], case .object(let content)? = body["content"] else {
                continue
            }
            types[path.key] = Set(content.map(\.key)).union(
                body["x-without-content-type"] == .bool(true) ? [noType] : [])
        }
        return types
    }()

    /// Stands for a body without a stated type.
    static let noType = ""
}
