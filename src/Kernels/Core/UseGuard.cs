namespace NativeDiffusion.Kernels;

/// <summary>
/// Who uses an object now: nobody, several readers, or one writer; and whether it was disposed. Whoever comes at the wrong time gets an exception,
/// nobody waits. An object that serves one caller at a time knows writers only.
/// </summary>
/// <param name="name">The type, as its users know it.</param>
/// <param name="remedy">What to do in place of a second use at once.</param>
internal sealed class UseGuard(string name, string remedy)
{
    private const int Ended = int.MinValue;

    // Readers if positive, uses of the writer (which may nest) if negative.
    private int _uses;
    private int _writer;

    public string Name { get; set; } = name;

    public bool IsEnded => Volatile.Read(ref _uses) == Ended;

    /// <summary>Uses it beside other readers; the writer may read too. Dispose the result when done.</summary>
    public Use Read()
    {
        while (true)
        {
            int uses = Volatile.Read(ref _uses);
            if (uses == Ended) throw Disposed();
            if (uses < 0 && _writer != Environment.CurrentManagedThreadId) throw Busy("written");
            if (Interlocked.CompareExchange(ref _uses, uses < 0 ? uses - 1 : uses + 1, uses) == uses) return new Use(this);
        }
    }

    /// <summary>Uses it alone. Dispose the result when done.</summary>
    /// <param name="nested">Whether the thread that uses it already may do so once more.</param>
    public Use Write(bool nested = false)
    {
        if (Interlocked.CompareExchange(ref _uses, -1, 0) == 0)
        {
            _writer = Environment.CurrentManagedThreadId;
            return new Use(this);
        }
        int uses = Volatile.Read(ref _uses);
        if (uses == Ended) throw Disposed();
        if (!nested || uses > 0 || _writer != Environment.CurrentManagedThreadId) throw Busy(uses > 0 ? "read" : "used");
        Interlocked.Decrement(ref _uses);
        return new Use(this);
    }

    /// <summary>Refuses what is disposed.</summary>
    public void ThrowIfEnded()
    {
        if (IsEnded) throw Disposed();
    }

    /// <summary>Ends it; false if that was done before.</summary>
    /// <exception cref="InvalidOperationException">It is in use.</exception>
    public bool End()
    {
        int uses = Interlocked.CompareExchange(ref _uses, Ended, 0);
        return uses is 0 or Ended
            ? uses == 0
            : throw new InvalidOperationException($"This {Name} is in use by another call, so it cannot be disposed now; dispose it when that call has ended.");
    }

    private void Leave()
    {
        int uses = Volatile.Read(ref _uses);
        if (uses == -1) _writer = 0;
        if (uses < 0) Interlocked.Increment(ref _uses);
        else Interlocked.Decrement(ref _uses);
    }

    private ObjectDisposedException Disposed() => new(Name);

    private InvalidOperationException Busy(string what) => new($"This {Name} is being {what} by another call. {remedy}");

    /// <summary>One use, which its disposal ends.</summary>
    internal readonly struct Use(UseGuard guard) : IDisposable
    {
        public void Dispose() => guard.Leave();
    }
}
