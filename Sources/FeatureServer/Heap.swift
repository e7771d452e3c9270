#if canImport(CMalloc)
    import CMalloc
#endif

/// What happens to freed memory. A server lives long, and should not keep what its jobs once took.
public enum Heap {
    /// How much may be free at the end of a heap before it is given back: while there is work, which would soon ask for
    /// it again, and at rest.
    private static let working: Int32 = 1 << 28, resting: Int32 = 1 << 20
    /// This much free memory is too little to care about.
    private static let few = 4 << 20

    /// Uses two heaps instead of one for each thread that ever ran a job. Call it before there are threads: those that
    /// already have a heap of their own keep it.
    public static func share() {
        #if canImport(CMalloc)
            _ = mallopt(M_ARENA_MAX, 2)
            _ = mallopt(M_TRIM_THRESHOLD, working)
            // Large allocations go back at once.
            _ = mallopt(M_MMAP_THRESHOLD, 1 << 25)
        #endif
    }

    /// Gives memory back to the system when much of it has been free for long. Runs until the task is cancelled.
    static func giveBack() async {
        #if canImport(CMalloc)
            var before = 0
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(15))
                let free = Int(mallinfo2().fordblks)
                // Memory at the end of any heap but the process's first is given back only by the next free in that
                // heap (glibc 2.36).
                _ = mallopt(M_TRIM_THRESHOLD, abs(free - before) < few ? resting : working)
                if min(free, before) > few { malloc_trim(0) }
                before = free
            }
        #endif
    }
}
