using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Attention on the device: tokens and head sizes around the extents of its blocks, and what the op suite does not reach.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class AttentionGpuTests(string device)
{
    private static readonly (int Batch, int Tokens, int Heads, int HeadDim)[] Sizes =
    [
        (1, 1, 1, 1), (2, 5, 2, 5), (1, 17, 1, 12), (1, 33, 2, 24), (1, 64, 1, 64), (1, 65, 1, 40), (1, 129, 1, 8),
        (1, 5, 1, 72), (1, 20, 1, 128), (1, 66, 1, 130), (1, 3, 1, 300),
    ];

    private IKernels? _device;
    private readonly List<DeviceMemory> _memory = [];

    [OneTimeSetUp]
    public void Open() => _device = GpuUnderTest.Open(device);

    [OneTimeTearDown]
    public void Close() => _device?.Dispose();

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    [TearDown]
    public void Free()
    {
        foreach (var memory in _memory) memory.Dispose();
        _memory.Clear();
    }

    [Test]
    public void Forward_and_gradient_match_the_oracle(
        [ValueSource(nameof(Sizes))] (int Batch, int Tokens, int Heads, int HeadDim) size, [Values] QkvOrder order, [Values] bool causal)
    {
        var (batch, tokens, heads, headDim) = size;
        int channels = heads * headDim;
        float scale = 1 / MathF.Sqrt(headDim);
        float[] qkv = Random(1, 2, batch * tokens * 3 * channels), dy = Random(2, 1, batch * tokens * channels);
        float[] before = Random(3, 1, qkv.Length);
        TensorView x = Tensor(qkv, batch, tokens, 3 * channels), gradient = Tensor(dy, batch, tokens, channels);
        TensorView dx = Tensor(before, batch, tokens, 3 * channels), sum = Tensor(before, batch, tokens, 3 * channels);
        TensorView y = Tensor(new float[dy.Length], batch, tokens, channels);
        TensorView logSumExp = Tensor(new float[batch * heads * tokens], batch, heads, tokens);
        foreach (var written in new[] { dx, y, logSumExp }) GpuUnderTest.Poison(_device!, written);

        _device!.AttentionForward(x, heads, order, scale, causal, y, logSumExp);
        _device.AttentionBackward(x, y, logSumExp, gradient, heads, order, scale, causal, dx, false);
        _device.AttentionBackward(x, y, logSumExp, gradient, heads, order, scale, causal, sum, true);

        double[] input = Array.ConvertAll(qkv, v => (double)v);
        var expected = AttentionReference.Forward(input, batch, tokens, heads, headDim, order, scale, causal);
        double[] expectedGradient = AttentionReference.Backward(
            input, Array.ConvertAll(dy, v => (double)v), batch, tokens, heads, headDim, order, scale, causal);
        float[] once = Values(dx);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Error(Values(y), expected.Y), Is.LessThan(3e-6), "y");
            Assert.That(Error(Values(logSumExp), expected.LogSumExp), Is.LessThan(1e-6), "logSumExp");
            Assert.That(Error(once, expectedGradient), Is.LessThan(4e-6), "dqkv");
            Assert.That(Values(sum), Is.EqualTo(before.Zip(once, (a, b) => a + b)), "accumulated dqkv");
        }
    }

    [Test]
    public void Large_logits_of_either_sign_neither_overflow_nor_lose_the_winner([Values(1f, -1f)] float sign)
    {
        const int Tokens = 70, HeadDim = 16;
        float[] qkv = Random(1, 20, Tokens * 3 * HeadDim);
        // Queries and keys above zero: all products have one sign, and keys that do not exist must not count as products of zero.
        for (int i = 0; i < qkv.Length; i++)
            if (i % (3 * HeadDim) < 2 * HeadDim) qkv[i] = MathF.Abs(qkv[i]);
        TensorView x = Tensor(qkv, 1, Tokens, 3 * HeadDim), y = Tensor(new float[Tokens * HeadDim], 1, Tokens, HeadDim);
        TensorView logSumExp = Tensor(new float[Tokens], 1, 1, Tokens);
        _device!.AttentionForward(x, 1, QkvOrder.Split, sign, false, y, logSumExp);

        var expected = AttentionReference.Forward(Array.ConvertAll(qkv, v => (double)v), 1, Tokens, 1, HeadDim, QkvOrder.Split, sign);
        using (Assert.EnterMultipleScope())
        {
            // Products reach 4e3, so one rounding of a product is 2e-4, and the weights carry that as a relative error.
            Assert.That(Error(Values(y), expected.Y), Is.LessThan(1e-3), "y");
            Assert.That(Error(Values(logSumExp), expected.LogSumExp), Is.LessThan(1e-6), "logSumExp");
        }
    }

    [Test]
    public void Rows_have_the_same_bits_whatever_the_batch([Values] bool causal)
    {
        const int Batch = 3, Tokens = 70, Heads = 2, HeadDim = 12, Channels = Heads * HeadDim;
        TensorView x = Tensor(Random(1, 2, Batch * Tokens * 3 * Channels), Batch, Tokens, 3 * Channels);
        TensorView dy = Tensor(Random(2, 1, Batch * Tokens * Channels), Batch, Tokens, Channels);
        float[]? y0 = null, dx0 = null;
        foreach (int part in new[] { Batch, 1 })
        {
            TensorView y = Tensor(new float[dy.Count], Batch, Tokens, Channels), dx = Tensor(new float[x.Count], Batch, Tokens, 3 * Channels);
            TensorView logSumExp = Tensor(new float[Batch * Heads * Tokens], Batch, Heads, Tokens);
            for (int n = 0; n < Batch; n += part)
            {
                TensorView Part(TensorView tensor) => tensor.Rows(n, part);
                _device!.AttentionForward(Part(x), Heads, QkvOrder.PerHead, 0.2f, causal, Part(y), Part(logSumExp));
                _device.AttentionBackward(Part(x), Part(y), Part(logSumExp), Part(dy), Heads, QkvOrder.PerHead, 0.2f, causal, Part(dx), false);
            }
            y0 ??= Values(y);
            dx0 ??= Values(dx);
            Assert.That(Values(y), Is.EqualTo(y0), $"y, parts of {part}");
            Assert.That(Values(dx), Is.EqualTo(dx0), $"dqkv, parts of {part}");
        }
    }

    private TensorView Tensor(float[] values, int n, int t, int c)
    {
        var memory = _device!.Allocate(values.Length);
        _memory.Add(memory);
        var tensor = new TensorView(memory, 0, new Shape(n, t, c));
        _device.Upload(values, tensor);
        return tensor;
    }

    private float[] Values(TensorView tensor)
    {
        float[] values = new float[tensor.Count];
        _device!.Download(tensor, values);
        return values;
    }

    private static float[] Random(int seed, float range, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => range * (2 * random.NextSingle() - 1))];
    }

    /// <summary>The largest difference, relative to the largest expected value.</summary>
    private static double Error(float[] got, double[] expected)
    {
        double worst = 0;
        for (int i = 0; i < got.Length; i++)
        {
            double error = Math.Abs(got[i] - expected[i]);
            if (!(error <= worst)) worst = error;
        }
        return worst / Math.Max(1e-3, expected.Max(Math.Abs));
    }
}
