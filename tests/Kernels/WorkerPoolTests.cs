using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public sealed unsafe class WorkerPoolTests
{
    [Test]
    public void Every_item_runs_exactly_once([Values(1, 2, 7)] int workers, [Values(0, 1, 2, 6, 1000)] int items)
    {
        using var pool = new WorkerPool(workers);
        Assert.That(pool.WorkerCount, Is.EqualTo(workers));
        for (int run = 0; run < 20; run++)
            Assert.That(Counts(pool, items), Is.All.EqualTo(1), $"run {run}");
    }

    [Test]
    public void Workers_are_numbered_below_the_count_and_the_caller_is_number_zero([Values(1, 2, 7)] int workers)
    {
        using var pool = new WorkerPool(workers);
        int[] takers = new int[200];
        fixed (int* pointer = takers)
        {
            var job = new NoteThreadJob { Takers = pointer, Caller = Environment.CurrentManagedThreadId };
            pool.Run(ref job, takers.Length);
        }
        Assert.That(takers, Is.All.InRange(0, workers - 1), "worker, or -1 where worker 0 was not the caller");
    }

    // 50,000 jobs of a few nanoseconds, so that jobs end and start in every state of the handoff. How long one takes is measured by bench.
    [Test]
    public void Rapid_jobs_return_when_their_items_are_done([Values(2, 7)] int workers)
    {
        const int Jobs = 50_000, Items = 8;
        using var pool = new WorkerPool(workers);
        int[] counts = new int[Items];
        fixed (int* pointer = counts)
        {
            var job = new CountJob { Counts = pointer };
            for (int i = 0; i < Jobs; i++)
            {
                pool.Run(ref job, Items);
                if (counts[i % Items] != i + 1) Assert.Fail($"Job {i} returned before item {i % Items} was done.");
            }
        }
        Assert.That(counts, Is.All.EqualTo(Jobs));
    }

    [Test]
    public void An_exception_reaches_the_caller_and_the_pool_goes_on([Values(1, 2, 7)] int workers, [Values(0, 37, 99)] int item)
    {
        using var pool = new WorkerPool(workers);
        for (int round = 0; round < 20; round++)
        {
            var failing = new FailingJob { Item = item };
            var error = Assert.Throws<InvalidOperationException>(() => pool.Run(ref failing, 100));
            Assert.That(error!.Message, Is.EqualTo($"item {item} failed"));
            Assert.That(Counts(pool, 100), Is.All.EqualTo(1));
        }
    }

    [Test]
    public void A_job_after_a_long_pause_wakes_the_workers()
    {
        using var pool = new WorkerPool(3);
        int[] takers = new int[3];
        for (int round = 0; round < 3; round++)
        {
            Thread.Sleep(60);
            // Every item waits for the other two, so it ends only if each worker takes one.
            using var together = new Barrier(3);
            fixed (int* pointer = takers)
            {
                s_together = together;
                var job = new MeetingJob { Takers = pointer };
                pool.Run(ref job, 3);
            }
            Assert.That(takers, Is.EquivalentTo(new[] { 0, 1, 2 }), $"round {round}: who took the items; -1: waited in vain");
        }
    }

    [Test]
    public void Idle_workers_sleep()
    {
        using var pool = new WorkerPool(4);
        Counts(pool, 100);
        for (int look = 0; pool.SleepingThreads < 3 && look < 10_000; look++) Thread.Sleep(1);
        Assert.That(pool.SleepingThreads, Is.EqualTo(3), "workers that wait without a processor");
        Assert.That(Counts(pool, 100), Is.All.EqualTo(1), "and they wake");
    }

    [Test]
    public void Dispose_ends_the_threads_and_a_later_run_says_so([Values(0, 60)] int idleMilliseconds)
    {
        var pool = new WorkerPool(5);
        Counts(pool, 10);
        Thread.Sleep(idleMilliseconds);
        pool.Dispose();
        Assert.That(pool.LiveThreads, Is.Zero);
        Assert.DoesNotThrow(pool.Dispose);
        Assert.Throws<ObjectDisposedException>(() => Counts(pool, 10));
    }

    [Test]
    public void Two_pools_work_side_by_side()
    {
        int[][] results = new int[2][];
        var threads = Enumerable.Range(0, 2).Select(t => new Thread(() =>
        {
            using var pool = new WorkerPool(2 + t);
            int[] counts = new int[50];
            fixed (int* pointer = counts)
            {
                var job = new CountJob { Counts = pointer };
                for (int i = 0; i < 2000; i++) pool.Run(ref job, counts.Length);
            }
            results[t] = counts;
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        Assert.That(results[0].Concat(results[1]), Is.All.EqualTo(2000));
    }

    [Test]
    public void Starting_a_job_allocates_nothing()
    {
        using var pool = new WorkerPool(3);
        int[] counts = new int[64];
        fixed (int* pointer = counts)
        {
            var job = new CountJob { Counts = pointer };
            pool.Run(ref job, 64);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++) pool.Run(ref job, 64);
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        }
    }

    [Test]
    public void Impossible_numbers_of_threads_are_refused([Values(-1, 1025)] int threads)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new CpuKernels(threads).Dispose());
        Assert.That(error!.ActualValue, Is.EqualTo(threads));
    }

    private static int[] Counts(WorkerPool pool, int items)
    {
        int[] counts = new int[items];
        fixed (int* pointer = counts)
        {
            var job = new CountJob { Counts = pointer };
            pool.Run(ref job, items);
        }
        return counts;
    }

    private static Barrier? s_together;

    private struct CountJob : IWorkerJob
    {
        public int* Counts;

        public readonly void Execute(int item, int worker) => Interlocked.Increment(ref Counts[item]);
    }

    private struct NoteThreadJob : IWorkerJob
    {
        public int* Takers;
        public int Caller;

        public readonly void Execute(int item, int worker)
        {
            Thread.SpinWait(20);
            Takers[item] = (worker == 0) == (Environment.CurrentManagedThreadId == Caller) ? worker : -1;
        }
    }

    private struct FailingJob : IWorkerJob
    {
        public int Item;

        public readonly void Execute(int item, int worker)
        {
            Thread.SpinWait(20);
            if (item == Item) throw new InvalidOperationException($"item {item} failed");
        }
    }

    private struct MeetingJob : IWorkerJob
    {
        public int* Takers;

        public readonly void Execute(int item, int worker) => Takers[item] = s_together!.SignalAndWait(5000) ? worker : -1;
    }

    [Test]
    public void A_device_that_nobody_disposed_leaves_no_thread_behind()
    {
        var pool = Abandoned();
        for (int i = 0; i < 500 && pool.LiveThreads > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Thread.Sleep(10);
        }
        Assert.That(pool.LiveThreads, Is.Zero);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WorkerPool Abandoned() => new CpuKernels(3).Pool;
    }
}
