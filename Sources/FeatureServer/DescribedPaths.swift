import Tables

/// The API's paths with their methods, as openapi.json has them.
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

    /// What may be asked of a path; nothing of one that isn't there.
    static func methods(_ path: String) -> [String] {
        let asked = path.split(separator: "/")
        let known = all.filter { path in
            path.segments.count == asked.count && zip(path.segments, asked).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
        return Set(known.flatMap(\.methods)).sorted()
    }

    /// The types of the bodies that are posted to a path; nothing of one that takes no body.
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

    /// Stands for a body whose type isn't said.
    static let noType = ""
}
