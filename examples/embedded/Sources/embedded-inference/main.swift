import FeatureLanguage
import FeatureStore
import Foundation
import Hummingbird
import Logging

// A small inference service: it holds the feature store in its own process and scores payments with a logistic model.

/// What is scored: a payment that somebody wants to make.
struct Payment: Decodable {
    var customer_id: Int64
    var merchant_id: String
    var amount: Double
}

struct Score: ResponseEncodable {
    /// How likely the payment is fraud, 0 to 1.
    var score: Double
    /// The instant for which features were looked up, and what they were.
    var as_of: String
    var features: [String: Double?]
    /// Whether some feature was stale: the caller may want to be careful.
    var is_stale: Bool
    /// Under what the lookup was kept, where it was.
    var receipt: String?
}

/// A model that somebody trained on snapshots of the same set: weights by feature, and what a missing value counts as.
struct Model {
    let set = "fraud.v1"
    let weights = ["amount_vs_usual": 0.8, "spend_7d": 0.002, "payments_1h": 0.6]
    let intercept = -4.0

    func score(_ features: [String: Double?]) -> Double {
        let sum = weights.reduce(intercept) { $0 + $1.value * ((features[$1.key] ?? nil) ?? 0) }
        return 1 / (1 + exp(-sum))
    }
}

let environment = ProcessInfo.processInfo.environment
guard let uri = environment["FIRN_DATABASE_URL"] else {
    FileHandle.standardError.write(Data("FIRN_DATABASE_URL names the store's database; firn url prints it\n".utf8))
    exit(2)
}
// As a server: it reads everything and appends receipts, but can't change what is true.
let store = Store(uri: uri, actor: "inference", memory: OnlineMemory(maximumBytes: 256 << 20), isServer: true)
store.serving.receipts.configure(rate: 0.01, retention: 30)
try await store.serving.warmUp()

let model = Model()
let router = Router()
router.post("/score") { request, context -> Score in
    let payment = try await request.decode(as: Payment.self, context: context)
    let asked = LookupRequest(
        .set(model.set),
        entities: ["customer_id": [.init(payment.customer_id)], "merchant_id": [.init(payment.merchant_id)]],
        request: ["amount": [.init(payment.amount)]])
    let answer: LookupAnswer
    do {
        answer = try await store.serving.lookup(asked)
    } catch let error as StoreError {
        throw HTTPError(error.code == .notFound ? .notFound : .serviceUnavailable, message: error.description)
    }
    let features = Dictionary(
        uniqueKeysWithValues: zip(answer.features, answer.vector(0)).map { ($0, $1.isNaN ? nil : $1) })
    return Score(
        score: model.score(features), as_of: answer.asOf.description, features: features,
        is_stale: answer.statuses.contains { $0[0] == .stale }, receipt: answer.receipt)
}
router.get("/healthz") { _, _ in "ok" }

let port = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? 8080
var logger = Logger(label: "inference")
logger.logLevel = .notice
try await Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
    .runService()
await store.serving.receipts.flush()
