#if canImport(CMalloc)
    import CMalloc
#endif

/// What is done with memory that was freed. A server lives long, and what its jobs took isn't to stay with it.
public enum Heap {
    /// What may be free at the end of a heap before it goes back: while work goes on, which would soon ask for it
    /// again, and while it rests.
    private static let working: Int32 = 1 << 28, resting: Int32 = 1 << 20
    /// What is free and too little to look after.
    private static let few = 4 << 20

    /// Two heaps, instead of one for each thread that ever ran a job. To be called before there are threads: those that
    /// have a heap of their own keep it.
    public static func share() {
        #if canImport(CMalloc)
            _ = mallopt(M_ARENA_MAX, 2)
            _ = mallopt(M_TRIM_THRESHOLD, working)
            // What is large by itself goes back at once.
            _ = mallopt(M_MMAP_THRESHOLD, 1 << 25)
        #endif
    }

    /// Gives memory back to the system that is free for long, and much. Until the task is cancelled.
    static func giveBack() async {
        #if canImport(CMalloc)
            var before = 0
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(15))
                let free = Int(mallinfo2().fordblks)
                // The end of a heap that isn't the process's first is given back by whatever is freed next in it, and
                // by nothing else (glibc 2.36).
                _ = mallopt(M_TRIM_THRESHOLD, abs(free - before) < few ? resting : working)
                if min(free, before) > few { malloc_trim(0) }
                before = free
            }
        #endif
    }
}
