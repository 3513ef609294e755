namespace NativeDiffusion.Kernels;

/// <summary>
/// The callers of one device, served one at a time in the order in which they came: workers, scratch and compiled kernels are the device's, not the
/// callers'. The caller that is being served may enter again. Alone, entering and leaving take an uncontended lock each.
/// </summary>
/// <param name="name">The device's type, for its users.</param>
/// <param name="begin">What a device has to be told in the thread of a caller whose turn begins; nothing by default.</param>
internal sealed class DeviceQueue(string name, Action? begin = null)
{
    private readonly object _sync = new();
    private readonly HashSet<long> _given = [];
    private long _next, _served;
    private int _thread, _depth;
    private bool _ended;

    /// <summary>Waits for the caller's turn. Dispose the result to end it.</summary>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before the turn came.</exception>
    public Turn Enter(CancellationToken cancellation = default)
    {
        lock (_sync)
        {
            ThrowIfEnded();
            if (_depth == 0 || _thread != Environment.CurrentManagedThreadId)
            {
                long ticket = _next++;
                try
                {
                    if (ticket != _served) Wait(ticket, cancellation);
                }
                catch (Exception e) when (e is ThreadInterruptedException or OperationCanceledException)
                {
                    // Whoever no longer waits gives its place away, or all after it would wait for ever.
                    _given.Add(ticket);
                    Skip();
                    throw;
                }
                _thread = Environment.CurrentManagedThreadId;
                _depth = 1;
                var turn = new Turn(this);
                try
                {
                    begin?.Invoke();
                }
                catch
                {
                    turn.Dispose();
                    throw;
                }
                return turn;
            }
            _depth++;
            return new Turn(this);
        }
    }

    /// <summary>Refuses a device that was disposed.</summary>
    public void ThrowIfEnded()
    {
        if (Volatile.Read(ref _ended)) throw new ObjectDisposedException(name);
    }

    /// <summary>Ends the queue; false if that was done before.</summary>
    /// <exception cref="InvalidOperationException">Somebody is being served, or waits.</exception>
    public bool End()
    {
        lock (_sync)
        {
            if (_ended) return false;
            if (_next != _served)
                throw new InvalidOperationException($"This {name} is running a plan of another call, so it cannot be disposed now; dispose it when that call has ended.");
            return _ended = true;
        }
    }

    private void Wait(long ticket, CancellationToken cancellation)
    {
        var wake = cancellation.UnsafeRegister(static queue => ((DeviceQueue)queue!).WakeAll(), this);
        try
        {
            while (ticket != _served)
            {
                cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(_sync);
            }
        }
        finally
        {
            // Not disposed, which would wait for a call that waits for this lock.
            wake.Unregister();
        }
    }

    private void WakeAll()
    {
        lock (_sync) Monitor.PulseAll(_sync);
    }

    private void Leave()
    {
        bool interrupted = false, left = false;
        while (!left)
        {
            try
            {
                lock (_sync)
                {
                    left = true;
                    if (--_depth > 0) break;
                    _served++;
                    Skip();
                }
            }
            catch (ThreadInterruptedException)
            {
                // A turn ends whatever happens to its thread, which hears of it afterwards.
                interrupted = true;
            }
        }
        if (interrupted) Thread.CurrentThread.Interrupt();
    }

    /// <summary>Passes over places that were given away.</summary>
    private void Skip()
    {
        while (_given.Count > 0 && _given.Remove(_served)) _served++;
        if (_next != _served) Monitor.PulseAll(_sync);
    }

    /// <summary>One caller's turn.</summary>
    internal readonly struct Turn(DeviceQueue queue) : IDisposable
    {
        public void Dispose() => queue.Leave();
    }
}
