/// This version of Firn: of the library, the program, the server and the Python packages. The file VERSION is the only
/// place that states it.
public let firnBuild = String(decoding: PackageResources.VERSION.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
