using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public sealed class DeviceQueueTests
{
    [Test]
    public void Turns_come_in_the_order_of_asking_and_one_at_a_time()
    {
        var queue = new DeviceQueue("Thing");
        List<int> served = [];
        var threads = new Thread[6];
        using (queue.Enter())
            for (int i = 0; i < threads.Length; i++)
            {
                int number = i;
                threads[i] = new Thread(() =>
                {
                    using var turn = queue.Enter();
                    served.Add(number);
                });
                threads[i].Start();
                while (threads[i].ThreadState != ThreadState.WaitSleepJoin) Thread.Yield();
            }
        foreach (var thread in threads) thread.Join();
        Assert.That(served, Is.EqualTo(Enumerable.Range(0, threads.Length)));
    }

    [Test]
    public void A_caller_may_enter_again_in_its_turn()
    {
        var queue = new DeviceQueue("Thing");
        using (queue.Enter())
        using (queue.Enter()) Assert.That(queue.End, Throws.InvalidOperationException.With.Message.Contains("Thing"));
        Assert.That(queue.End(), Is.True);
        Assert.That(queue.End(), Is.False);
        Assert.That(() => queue.Enter(), Throws.TypeOf<ObjectDisposedException>().With.Property("ObjectName").EqualTo("Thing"));
    }

    [Test]
    public void Whoever_is_interrupted_while_waiting_gives_its_place_away([Values] bool first)
    {
        var queue = new DeviceQueue("Thing");
        List<string> served = [];
        var threads = new Thread[3];
        using (queue.Enter())
        {
            for (int i = 0; i < threads.Length; i++)
            {
                int number = i;
                threads[i] = new Thread(() =>
                {
                    try
                    {
                        using var turn = queue.Enter();
                        lock (served) served.Add($"{number}");
                    }
                    catch (ThreadInterruptedException)
                    {
                        lock (served) served.Add($"{number} interrupted");
                    }
                });
                threads[i].Start();
                while (threads[i].ThreadState != ThreadState.WaitSleepJoin) Thread.Yield();
            }
            threads[first ? 0 : 1].Interrupt();
            threads[first ? 0 : 1].Join();
        }
        foreach (var thread in threads) thread.Join();
        Assert.That(served, Is.EqualTo(first ? new[] { "0 interrupted", "1", "2" } : ["1 interrupted", "0", "2"]));
        Assert.That(queue.End(), Is.True);
    }

    [Test]
    public void A_turn_that_cannot_begin_is_passed_on()
    {
        bool fails = true;
        var queue = new DeviceQueue("Thing", () =>
        {
            if (fails) throw new DeviceException("no");
        });
        Assert.That(() => queue.Enter(), Throws.TypeOf<DeviceException>());
        fails = false;
        using (queue.Enter()) { }
        Assert.That(queue.End(), Is.True);
    }
}
