import Foundation
import Synchronization

/// Threads for longer computations in the server itself: reading definitions, searching, laying out answers. Those that
/// answer lookups and follow the logs are separate, and if there are too few processors, the threads here give way.
final class WorkThreads: TaskExecutor {
    static let shared = WorkThreads(count: max(2, ProcessInfo.processInfo.activeProcessorCount / 2))

    private let jobs = Mutex<[UnownedJob]>([])
    private let count: DispatchSemaphore

    private init(count threads: Int) {
        count = DispatchSemaphore(value: 0)
        for _ in 0..<threads {
            Thread { [self] in
                #if canImport(Glibc)
                    // Applies to this thread alone.
                    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
                #endif
                while true { run() }
            }.start()
        }
    }

    private func run() {
        count.wait()
        let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        if let job { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        count.signal()
    }
}
