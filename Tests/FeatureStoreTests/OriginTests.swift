import ArrowIPC
import Crypto
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Testing

/// What is kept of where rows came from.
@Suite struct OriginTests {
    @Test
    func `what is hashed is what was read, to the last byte of the file, and a batch says where its rows came from`()
        async throws
    {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let text = "customer_id,page,at\n1,a,2024-01-01\n"
        var arrow: [UInt8] = []
        var writer = try ArrowWriter(
            .file,
            fields: [
                ArrowField("customer_id", ArrowType(.int64)), ArrowField("page", ArrowType(.string)),
                ArrowField("at", ArrowType(.timestamp)),
            ]
        ) { arrow += $0 }
        var page = StringColumn()
        page.append("b")
        try writer.write(
            [Column(.int64, .words([2])), Column(.string, page), Column(.timestamp, .words([0]))], rowCount: 1)
        try writer.finish()
        for (name, bytes) in [("p.csv", Array(text.utf8)), ("p.arrow", arrow)] {
            let path = try fixture.file(name, "")
            try Data(bytes).write(to: URL(filePath: path))
            #expect(try await fixture.store.log.importFile(path, into: "clicks").rows == 1)
            let row = try fixture.connection().execute(
                "select file_digest, origin from firn.batches where source = 'clicks' order by base_offset desc limit 1"
            ).single()
            #expect(try row.bytes(0) == Array(SHA256.hash(data: bytes)))
            #expect(try row.text(1) == "{\"file\":\"\(name)\"}")
            let refused = await #expect(throws: StoreError.self) {
                try await fixture.store.log.importFile(path, into: "clicks")
            }
            #expect(refused?.code == .duplicateFile)
        }
    }
}
