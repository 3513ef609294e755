using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public sealed class UseGuardTests
{
    private readonly UseGuard _guard = new("Thing", "Take another.");

    [Test]
    public void Readers_share_and_a_writer_is_alone()
    {
        var guard = new UseGuard("Thing", "Take another.");
        using (guard.Read())
        using (guard.Read())
            Assert.That(() => guard.Write(nested: true), Throws.InvalidOperationException.With.Message.EqualTo("This Thing is being read by another call. Take another."));
        using (guard.Write())
        {
            Assert.That(() => guard.Write(), Throws.InvalidOperationException.With.Message.EqualTo("This Thing is being used by another call. Take another."));
            using (guard.Write(nested: true))
            using (guard.Read()) { }
            Assert.That(Elsewhere(() => guard.Read()), Is.TypeOf<InvalidOperationException>());
            Assert.That(Elsewhere(() => guard.Write(nested: true)), Is.TypeOf<InvalidOperationException>());
        }
        using (guard.Write()) { }
        Assert.That(Elsewhere(() => guard.Read().Dispose()), Is.Null);
    }

    [Test]
    public void What_is_in_use_is_not_ended_and_what_is_ended_is_not_used()
    {
        var guard = new UseGuard("Thing", "Take another.");
        using (guard.Read()) Assert.That(guard.End, Throws.InvalidOperationException.With.Message.Contains("Thing").And.Message.Contains("disposed"));
        using (guard.Write()) Assert.That(guard.End, Throws.InvalidOperationException);
        Assert.That(guard.End(), Is.True);
        Assert.That(guard.End(), Is.False);
        Assert.That(() => guard.Read(), Throws.TypeOf<ObjectDisposedException>().With.Property("ObjectName").EqualTo("Thing"));
        Assert.That(() => guard.Write(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Uses_from_many_threads_never_overlap_wrongly()
    {
        int readers = 0, writers = 0, wrong = 0, done = 0;
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, thread =>
        {
            for (int i = 0; i < 20_000; i++)
            {
                bool writes = (i + thread) % 4 == 0;
                try
                {
                    using var use = writes ? _guard.Write() : _guard.Read();
                    int others = writes ? Interlocked.Increment(ref writers) - 1 + Volatile.Read(ref readers) : 0 * Interlocked.Increment(ref readers) + Volatile.Read(ref writers);
                    if (others != 0) Interlocked.Increment(ref wrong);
                    Interlocked.Increment(ref done);
                    if (writes) Interlocked.Decrement(ref writers);
                    else Interlocked.Decrement(ref readers);
                }
                catch (InvalidOperationException)
                {
                    Thread.Yield();
                }
            }
        });
        Assert.That(wrong, Is.Zero);
        Assert.That(done, Is.Positive);
        Assert.That(_guard.End(), Is.True, "every use ended");
    }

    private static Exception? Elsewhere(Action act)
    {
        Exception? thrown = null;
        var thread = new Thread(() =>
        {
            try
            {
                act();
            }
            catch (Exception e)
            {
                thrown = e;
            }
        });
        thread.Start();
        thread.Join();
        return thrown;
    }
}
