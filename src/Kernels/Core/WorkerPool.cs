using System.Runtime.ExceptionServices;

namespace NativeDiffusion.Kernels;

/// <summary>One piece of work that <see cref="WorkerPool"/> splits into items. Implemented by unmanaged structs that carry their arguments.</summary>
internal interface IWorkerJob
{
    /// <summary>Does item <paramref name="item"/> on worker <paramref name="worker"/> (which only selects scratch memory).</summary>
    void Execute(int item, int worker);
}

/// <summary>
/// A fixed set of threads that share the items of one job at a time; the caller is worker 0. Idle threads spin for some microseconds, so that
/// a following job starts at once, and then sleep. Starting a job allocates nothing.
/// </summary>
/// <remarks>Which worker takes an item is not determined, so an item's result may depend only on its index.</remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    // About 30 microseconds on current processors: longer than the serial gaps between the kernels of a plan, shorter than a scheduler's slice.
    private const int SpinIterations = 1500;

    private readonly Thread[] _threads;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim[] _wake;
    private readonly int[] _sleeping;
    private delegate*<void*, int, int, void> _invoke;
    private void* _job;
    private int _items;
    private int _next;
    private int _active;
    private volatile int _epoch;
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

    /// <summary>Runs items 0 to <paramref name="items"/> - 1 and returns when all are done. Not to be called from inside a job.</summary>
    public void Run<TJob>(ref TJob job, int items)
        where TJob : unmanaged, IWorkerJob
    {
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
            Volatile.Write(ref _active, _threads.Length);
            _epoch++;
            for (int i = 0; i < _sleeping.Length; i++)
                if (Interlocked.Exchange(ref _sleeping[i], 0) == 1)
                    _wake[i].Release();

            Drain(0);
            var spinner = default(SpinWait);
            int spins = 0;
            while (Volatile.Read(ref _active) != 0)
            {
                if (++spins < SpinIterations * 4) Thread.SpinWait(8);
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
        int seen = 0;
        while (true)
        {
            int spins = 0;
            while (_epoch == seen && !_stop)
            {
                if (++spins < SpinIterations)
                {
                    Thread.SpinWait(8);
                    continue;
                }
                Interlocked.Exchange(ref _sleeping[index], 1);
                // A job may have started between the last look and the announcement: whoever resets the flag decides.
                if ((_epoch != seen || _stop) && Interlocked.Exchange(ref _sleeping[index], 0) == 1) break;
                _wake[index].Wait();
                break;
            }
            if (_stop) return;
            if (_epoch == seen) continue;
            seen++;
            Drain(index + 1);
            Interlocked.Decrement(ref _active);
        }
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
