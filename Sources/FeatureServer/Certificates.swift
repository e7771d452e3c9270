import FeatureStore
import Foundation
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// A certificate and its key, read again when their files change: later connections get the new one.
public final class Certificates: Sendable {
    private let certificate: String
    private let key: String
    private let state: Mutex<(context: NIOSSLContext, stamp: [Date?])>

    /// - Parameters:
    ///   - certificate: a PEM file with the certificate, followed by those that sign it.
    ///   - key: a PEM file with its private key.
    /// - Throws: which of the two can't be used.
    public init(certificate: String, key: String) throws {
        self.certificate = certificate
        self.key = key
        let stamp = Certificates.stamp([certificate, key])
        state = Mutex((try Certificates.context(certificate, key), stamp))
    }

    fileprivate var context: NIOSSLContext { state.withLock { $0.context } }

    /// Reads the files again if they changed; false if they didn't. If the new ones can't be used, the certificate
    /// stays as it was.
    func refresh() throws -> Bool {
        let stamp = Certificates.stamp([certificate, key])
        guard state.withLock({ $0.stamp }) != stamp else { return false }
        // Even if they can't be used, so that the complaint comes only once.
        state.withLock { $0.stamp = stamp }
        let context = try Certificates.context(certificate, key)
        state.withLock { $0.context = context }
        return true
    }

    private static func stamp(_ files: [String]) -> [Date?] {
        files.map { (try? FileManager.default.attributesOfItem(atPath: $0))?[.modificationDate] as? Date }
    }

    private static func context(_ certificate: String, _ key: String) throws -> NIOSSLContext {
        let chain: [NIOSSLCertificateSource], secret: NIOSSLPrivateKey
        do { chain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) } } catch {
            throw fault("certificate", certificate)
        }
        do { secret = try NIOSSLPrivateKey(file: key, format: .pem) } catch { throw fault("key", key) }
        guard !chain.isEmpty else { throw fault("certificate", certificate) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(secret))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw StoreError(.invalidRequest, "\(certificate) and \(key) don't go together")
        }
    }

    private static func fault(_ what: String, _ path: String) -> StoreError {
        StoreError(
            .invalidRequest, "\(path) can't be read as a \(what)", advice: "it is a PEM file that the server may read")
    }
}

/// HTTP/1.1 over TLS, with the current certificate.
struct SecureChannel: ServerChildChannel {
    let base: PlainChannel
    let certificates: Certificates

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificates.context))
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
