/// This version of Firn: of the library, the program and the server, and of the API's description. The Python client has its own, which a test holds against it.
public let firnBuild = "0.1.0"
