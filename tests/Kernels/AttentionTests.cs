using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public class AttentionTests
{
    private static readonly (int Tokens, int Heads, int HeadDim)[] Sizes =
    [
        (1, 1, 4), (1, 2, 17), (2, 1, 8), (3, 2, 64), (5, 2, 5), (8, 1, 16), (15, 3, 7), (16, 2, 8), (17, 2, 12), (31, 1, 33), (33, 2, 16), (49, 1, 128),
        (64, 2, 32), (65, 1, 64), (127, 1, 9), (129, 2, 20), (200, 1, 24), (256, 1, 64), (257, 2, 16), (300, 1, 40), (700, 1, 12),
    ];

    [Test]
    public void Forward_and_gradient_match_the_oracle([ValueSource(nameof(Sizes))] (int Tokens, int Heads, int HeadDim) size, [Values] QkvOrder order, [Values] bool causal)
    {
        var (tokens, heads, headDim) = size;
        int batch = tokens < 100 ? 2 : 1, channels = heads * headDim;
        float scale = 1 / MathF.Sqrt(headDim);
        using IKernels kernels = new CpuKernels(2);
        using var qkv = GuardedTensors.Random(1, 2, batch, tokens, 3 * channels);
        using var dy = GuardedTensors.Random(2, 1, batch, tokens, channels);
        using var y = GuardedTensors.Empty(batch, tokens, channels);
        using var logSumExp = GuardedTensors.Empty(batch, heads, tokens);
        using var dqkv = GuardedTensors.Empty(batch, tokens, 3 * channels);

        kernels.AttentionForward(qkv.View, heads, order, scale, causal, y.View, logSumExp.View);
        kernels.AttentionBackward(qkv.View, y.View, logSumExp.View, dy.View, heads, order, scale, causal, dqkv.View, false);

        double[] input = qkv.ToDoubles();
        var expected = AttentionReference.Forward(input, batch, tokens, heads, headDim, order, scale, causal);
        double[] gradient = AttentionReference.Backward(input, dy.ToDoubles(), batch, tokens, heads, headDim, order, scale, causal);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(y.ErrorAgainst(expected.Y), Is.LessThan(2e-6), "y");
            Assert.That(logSumExp.ErrorAgainst(expected.LogSumExp), Is.LessThan(1e-6), "logSumExp");
            Assert.That(dqkv.ErrorAgainst(gradient), Is.LessThan(4e-6), "dqkv");
        }

        float[] once = dqkv.ToArray();
        kernels.AttentionBackward(qkv.View, y.View, logSumExp.View, dy.View, heads, order, scale, causal, dqkv.View, true);
        Assert.That(dqkv.ToArray(), Is.EqualTo(Array.ConvertAll(once, v => v + v)), "accumulated dqkv");
    }

    [Test]
    public void Gradient_is_that_of_the_oracles_forward([Values] QkvOrder order, [Values] bool causal)
    {
        const int Batch = 2, Tokens = 4, Heads = 2, HeadDim = 3;
        var random = new Random(5);
        double[] Values(int count) => Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1).ToArray();
        double[] qkv = Values(Batch * Tokens * Heads * HeadDim * 3), dy = Values(Batch * Tokens * Heads * HeadDim);
        double[] gradient = AttentionReference.Backward(qkv, dy, Batch, Tokens, Heads, HeadDim, order, 0.7, causal);
        double Loss() => AttentionReference.Forward(qkv, Batch, Tokens, Heads, HeadDim, order, 0.7, causal).Y.Zip(dy, (a, b) => a * b).Sum();
        Assert.That(gradient, Is.EqualTo(FiniteDifference.Gradient(qkv, Loss)).Within(1e-7));
    }

    [Test]
    public void Large_logits_neither_overflow_nor_lose_the_winner([Values(40, 150)] int tokens)
    {
        const int HeadDim = 16;
        using IKernels kernels = new CpuKernels(1);
        using var qkv = GuardedTensors.Random(1, 80, 1, tokens, 3 * HeadDim);
        using var dy = GuardedTensors.Random(2, 1, 1, tokens, HeadDim);
        using var y = GuardedTensors.Empty(1, tokens, HeadDim);
        using var logSumExp = GuardedTensors.Empty(1, 1, tokens);
        using var dqkv = GuardedTensors.Empty(1, tokens, 3 * HeadDim);
        kernels.AttentionForward(qkv.View, 1, QkvOrder.Split, 1, false, y.View, logSumExp.View);
        kernels.AttentionBackward(qkv.View, y.View, logSumExp.View, dy.View, 1, QkvOrder.Split, 1, false, dqkv.View, false);

        double[] input = qkv.ToDoubles();
        var expected = AttentionReference.Forward(input, 1, tokens, 1, HeadDim, QkvOrder.Split, 1);
        double[] gradient = AttentionReference.Backward(input, dy.ToDoubles(), 1, tokens, 1, HeadDim, QkvOrder.Split, 1);
        using (Assert.EnterMultipleScope())
        {
            // Products reach 1e5, so one rounding of a product is 4e-3, and the weights carry that as a relative error.
            Assert.That(y.ErrorAgainst(expected.Y), Is.LessThan(1e-2));
            Assert.That(logSumExp.ErrorAgainst(expected.LogSumExp), Is.LessThan(1e-6));
            Assert.That(dqkv.ErrorAgainst(gradient), Is.LessThan(1e-1));
        }
    }

    [Test]
    public void Equal_keys_average_the_values()
    {
        const int Tokens = 70, HeadDim = 8;
        using IKernels kernels = new CpuKernels(1);
        using var qkv = GuardedTensors.Random(1, 80, 1, Tokens, 3 * HeadDim);
        var span = qkv.View.Span;
        for (int t = 0; t < Tokens; t++) span.Slice(t * 3 * HeadDim + HeadDim, HeadDim).Fill(80);
        using var y = GuardedTensors.Empty(1, Tokens, HeadDim);
        using var logSumExp = GuardedTensors.Empty(1, 1, Tokens);
        kernels.AttentionForward(qkv.View, 1, QkvOrder.Split, 1, false, y.View, logSumExp.View);
        for (int c = 0; c < HeadDim; c++)
        {
            double mean = Enumerable.Range(0, Tokens).Average(t => (double)qkv.View.Span[t * 3 * HeadDim + 2 * HeadDim + c]);
            for (int t = 0; t < Tokens; t++) Assert.That(y.View.Span[t * HeadDim + c], Is.EqualTo(mean).Within(1e-4));
        }
    }

    [Test]
    public void Rows_have_the_same_bits_whatever_the_threads_and_the_batch([Values] bool causal)
    {
        const int Batch = 5, Tokens = 150, Heads = 2, HeadDim = 24, Channels = Heads * HeadDim;
        using var qkv = GuardedTensors.Random(1, 2, Batch, Tokens, 3 * Channels);
        using var dy = GuardedTensors.Random(2, 1, Batch, Tokens, Channels);
        float[]? y0 = null, dqkv0 = null;
        foreach (int threads in new[] { 1, 2, 7 })
        {
            foreach (int part in new[] { Batch, 1, 2 })
            {
                using IKernels kernels = new CpuKernels(threads);
                using var y = GuardedTensors.Empty(Batch, Tokens, Channels);
                using var logSumExp = GuardedTensors.Empty(Batch, Heads, Tokens);
                using var dqkv = GuardedTensors.Empty(Batch, Tokens, 3 * Channels);
                for (int n = 0; n < Batch; n += part)
                {
                    int count = Math.Min(part, Batch - n);
                    TensorView Part(GuardedTensor tensor) => tensor.View.Rows(n, count);
                    kernels.AttentionForward(Part(qkv), Heads, QkvOrder.PerHead, 0.2f, causal, Part(y), Part(logSumExp));
                    kernels.AttentionBackward(Part(qkv), Part(y), Part(logSumExp), Part(dy), Heads, QkvOrder.PerHead, 0.2f, causal, Part(dqkv), false);
                }
                y0 ??= y.ToArray();
                dqkv0 ??= dqkv.ToArray();
                Assert.That(y.ToArray(), Is.EqualTo(y0), $"y, {threads} threads, parts of {part}");
                Assert.That(dqkv.ToArray(), Is.EqualTo(dqkv0), $"dqkv, {threads} threads, parts of {part}");
            }
        }
    }

    [Test]
    public void The_second_run_allocates_nothing()
    {
        using IKernels kernels = new CpuKernels(2);
        using var qkv = GuardedTensors.Random(1, 2, 2, 70, 48);
        using var dy = GuardedTensors.Random(2, 1, 2, 70, 16);
        using var y = GuardedTensors.Empty(2, 70, 16);
        using var logSumExp = GuardedTensors.Empty(2, 2, 70);
        using var dqkv = GuardedTensors.Empty(2, 70, 48);
        void Run()
        {
            kernels.AttentionForward(qkv.View, 2, QkvOrder.PerHead, 0.3f, true, y.View, logSumExp.View);
            kernels.AttentionBackward(qkv.View, y.View, logSumExp.View, dy.View, 2, QkvOrder.PerHead, 0.3f, true, dqkv.View, false);
        }
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
