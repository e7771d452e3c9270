/// This version of Firn: of the library, the program, the server and the Python packages. It is written down once, in
/// the file VERSION.
public let firnBuild = String(decoding: PackageResources.VERSION.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
