using System.Runtime.ExceptionServices;

namespace NativeDiffusion.Kernels;

/// <summary>One piece of work that <see cref="WorkerPool"/> splits into items. Implemented by unmanaged structs that carry their arguments.</summary>
internal interface IWorkerJob
{
    /// <summary>Does item <paramref name="item"/> on worker <paramref name="worker"/> (which only selects scratch memory).</summary>
    void Execute(int item, int worker);
}

/// <summary>
/// A fixed set of threads that share the items of one job at a time; the caller is worker 0. Idle threads spin for a while, so that a
/// following job starts at once, and then sleep. Starting a job allocates nothing.
/// </summary>
/// <remarks>
/// Which worker takes an item is not determined, so an item's result may depend only on its index. A job waits only for workers that joined it:
/// one that the scheduler has not got round to is left out, so more workers than processors, or a busy machine, do not hold up every job.
/// </remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    // Longer than the serial gaps between the kernels of a plan, shorter than a scheduler's slice.
    private const int SpinIterations = 1500;

    // _state: the job's number in the upper half, then the flag that nobody may join it any more, then how many joined and are not done.
    private const int JobShift = 32;
    private const long Closed = 1L << 31;
    private const long JoinedMask = Closed - 1;

    private readonly Thread[] _threads;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim[] _wake;
    private readonly int[] _sleeping;
    private delegate*<void*, int, int, void> _invoke;
    private void* _job;
    private int _items;
    private int _next;
    private long _state = Closed;
    private volatile bool _stop;
    private Exception? _error;

    public WorkerPool(int workers)
    {
        WorkerCount = workers;
        _threads = new Thread[workers - 1];
        _wake = new SemaphoreSlim[workers - 1];
        _sleeping = new int[workers - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int index = i;
            _wake[i] = new SemaphoreSlim(0);
            _threads[i] = new Thread(() => WorkerLoop(index)) { IsBackground = true, Name = $"kernel worker {i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>Number of workers, the caller included.</summary>
    public int WorkerCount { get; }

    internal int LiveThreads => _threads.Count(t => t.IsAlive);

    internal int SleepingThreads => _threads.Count(t => t.ThreadState.HasFlag(ThreadState.WaitSleepJoin));

    /// <summary>Runs items 0 to <paramref name="items"/> - 1 and returns when all are done. Not to be called from inside a job.</summary>
    public void Run<TJob>(ref TJob job, int items)
        where TJob : unmanaged, IWorkerJob
    {
        ObjectDisposedException.ThrowIf(_stop, this);
        if (_threads.Length == 0 || items <= 1)
        {
            for (int i = 0; i < items; i++) job.Execute(i, 0);
            return;
        }
        fixed (TJob* pointer = &job)
            Dispatch(&Invoke<TJob>, pointer, items);
    }

    private static void Invoke<TJob>(void* job, int item, int worker)
        where TJob : unmanaged, IWorkerJob => ((TJob*)job)->Execute(item, worker);

    private void Dispatch(delegate*<void*, int, int, void> invoke, void* job, int items)
    {
        lock (_gate)
        {
            _invoke = invoke;
            _job = job;
            _items = items;
            _error = null;
            _next = 0;
            // The last job was closed and left by all, so nobody reads the fields above before this opens the next one.
            Interlocked.Exchange(ref _state, (_state | uint.MaxValue) + 1);
            for (int i = 0; i < Math.Min(_sleeping.Length, items - 1); i++)
                if (Interlocked.Exchange(ref _sleeping[i], 0) == 1)
                    _wake[i].Release();

            Drain(0);
            Interlocked.Or(ref _state, Closed);
            var spinner = default(SpinWait);
            int spins = 0;
            while ((Volatile.Read(ref _state) & JoinedMask) != 0)
            {
                if (++spins < SpinIterations) Thread.SpinWait(8);
                else spinner.SpinOnce(sleep1Threshold: -1);
            }
            if (_error is { } error) ExceptionDispatchInfo.Throw(error);
        }
    }

    private void Drain(int worker)
    {
        try
        {
            int item;
            while ((item = Interlocked.Increment(ref _next) - 1) < _items)
                _invoke(_job, item, worker);
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _error, e, null);
            Volatile.Write(ref _next, _items);
        }
    }

    private void WorkerLoop(int index)
    {
        long seen = 0;
        while (true)
        {
            int spins = 0;
            while (JobNumber == seen && !_stop)
            {
                if (++spins < SpinIterations)
                {
                    Thread.SpinWait(8);
                    continue;
                }
                Interlocked.Exchange(ref _sleeping[index], 1);
                // A job may have started between the last look and the announcement: whoever resets the flag decides.
                if ((JobNumber != seen || _stop) && Interlocked.Exchange(ref _sleeping[index], 0) == 1) break;
                _wake[index].Wait();
                break;
            }
            if (_stop) return;
            long state = Volatile.Read(ref _state);
            if ((state & Closed) != 0) seen = state >> JobShift;
            else if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
            {
                seen = state >> JobShift;
                Drain(index + 1);
                Interlocked.Decrement(ref _state);
            }
        }
    }

    private long JobNumber => Volatile.Read(ref _state) >> JobShift;

    /// <summary>Tells the threads to end, and waits for none: for a pool that nobody disposed. A job at work is finished by its caller.</summary>
    public void Stop()
    {
        if (_stop) return;
        _stop = true;
        foreach (var wake in _wake) wake.Release();
    }

    public void Dispose()
    {
        if (_stop) return;
        _stop = true;
        for (int i = 0; i < _threads.Length; i++)
        {
            _wake[i].Release();
            _threads[i].Join();
            _wake[i].Dispose();
        }
    }
}
