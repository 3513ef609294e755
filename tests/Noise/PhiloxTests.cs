using System.Runtime.Intrinsics.X86;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Noise;

[TestFixture]
public sealed unsafe class PhiloxTests
{
    // Known answers published with the authors' Random123 library: philox4x32, 10 rounds.
    [TestCase(0u, 0u, 0u, 0u, 0x0000000000000000ul, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [TestCase(~0u, ~0u, ~0u, ~0u, 0xfffffffffffffffful, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [TestCase(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0x299f31d0a4093822ul, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Gives_the_published_answers(uint c0, uint c1, uint c2, uint c3, ulong seed, uint w0, uint w1, uint w2, uint w3) =>
        Assert.That(Philox.Block(seed, c0, c1, c2, c3), Is.EqualTo((w0, w1, w2, w3)));

    [Test]
    public void Uniform_numbers_lie_in_the_unit_interval_and_have_53_bits()
    {
        double sum = 0, squares = 0;
        bool low = false;
        const int Count = 100_000;
        for (uint i = 0; i < Count; i++)
        {
            double u = Philox.Uniform(5, 7, 9, RandomStream.Timestep, i);
            Assert.That(u, Is.GreaterThanOrEqualTo(0).And.LessThan(1));
            sum += u;
            squares += u * u;
            low |= ((long)(u * (1L << 53)) & 1) == 1;
        }
        Assert.That(sum / Count, Is.EqualTo(0.5).Within(0.004));
        Assert.That(squares / Count, Is.EqualTo(1.0 / 3).Within(0.004));
        Assert.That(low, "the last bit is used");
    }

    [Test]
    public void Every_vector_width_gives_the_words_of_the_scalar_generator()
    {
        var key = new RandomKey(0x123456789abcdef0, 77, RandomStream.Dropout, layer: 12345);
        float[] expected = new float[512];
        for (int i = 0; i < expected.Length; i++)
        {
            var (w0, w1, w2, w3) = Philox.Block(key.Seed, 1000u + (uint)i / 4, 3, 77, (uint)RandomStream.Dropout | 12345u << 8);
            expected[i] = Philox.UnitInterval((i % 4) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 });
        }
        foreach (var (name, got) in Widths<PhiloxLanes.Identity>(key, 3, 1000, 512))
            Assert.That(got, Is.EqualTo(expected), name);
    }

    [Test]
    public void Every_vector_width_gives_normal_numbers_of_full_accuracy()
    {
        var key = new RandomKey(42, 5, RandomStream.StepNoise);
        const int Count = 1 << 16;
        foreach (var (name, got) in Widths<PhiloxLanes.BoxMuller>(key, 9, 64, Count))
        {
            for (int i = 0; i < Count; i++)
            {
                double expected = Philox.Normal(42, 9, 5, RandomStream.StepNoise, 256 + i);
                if (!(Math.Abs(got[i] - expected) <= 1e-6))
                    Assert.Fail($"{name}: element {i} is {got[i]}, should be {expected}.");
            }
        }
    }

    [Test]
    public void Bits_of_an_element_do_not_depend_on_where_a_run_starts_or_ends()
    {
        var key = new RandomKey(1, 2, RandomStream.InitialNoise);
        float* all = stackalloc float[640], part = stackalloc float[640];
        PhiloxLanes.FillNormal(all, key, 4, 0, 600);
        for (int start = 0; start < 80; start += 4)
            for (int count = 1; count < 300; count += 37)
            {
                PhiloxLanes.FillNormal(part, key, 4, start, count);
                for (int i = 0; i < count; i++)
                    if (part[i] != all[start + i])
                        Assert.Fail($"Element {start + i} is {part[i]} from {start}, {all[start + i]} from 0.");
            }
    }

    [Test]
    public void Normal_numbers_have_the_moments_and_tails_of_the_normal_distribution()
    {
        const int Count = 1 << 20;
        float[] x = new float[Count];
        fixed (float* p = x) PhiloxLanes.FillNormal(p, new RandomKey(11, 0, RandomStream.InitialNoise), 0, 0, Count);
        double Mean(Func<double, double> f) => x.Average(v => f(v));
        Assert.That(x.All(float.IsFinite));
        Assert.That(Mean(v => v), Is.EqualTo(0).Within(0.004));
        Assert.That(Mean(v => v * v), Is.EqualTo(1).Within(0.006));
        Assert.That(Mean(v => v * v * v), Is.EqualTo(0).Within(0.016));
        Assert.That(Mean(v => v * v * v * v), Is.EqualTo(3).Within(0.04));
        Assert.That(Mean(v => Math.Abs(v) > 3 ? 1 : 0), Is.EqualTo(0.0026998).Within(0.0002));
        for (int lag = 1; lag <= 4; lag++)
            Assert.That(x.Skip(lag).Zip(x, (a, b) => (double)a * b).Average(), Is.EqualTo(0).Within(0.004), $"lag {lag}");
    }

    [Test]
    public void Seed_sample_step_and_stream_each_give_other_numbers()
    {
        double[] first = Draw(1, 2, 3, RandomStream.InitialNoise);
        foreach (double[] other in new[]
        {
            Draw(2, 2, 3, RandomStream.InitialNoise), Draw(1 + (1UL << 32), 2, 3, RandomStream.InitialNoise), Draw(1, 3, 3, RandomStream.InitialNoise),
            Draw(1, 2, 4, RandomStream.InitialNoise), Draw(1, 2, 3, RandomStream.StepNoise),
        })
        {
            Assert.That(other.Zip(first, (a, b) => a == b).Any(equal => equal), Is.False);
            Assert.That(other.Zip(first, (a, b) => a * b).Average(), Is.EqualTo(0).Within(0.2));
        }
    }

    [Test]
    public void Fill_draws_the_same_numbers_as_the_tensor_kernels()
    {
        using IKernels kernels = new CpuKernels(1);
        using var memory = kernels.Allocate(1000);
        using var index = kernels.Allocate(1);
        kernels.Upload([8], new TensorView(index, 0, new Shape(1)));
        var view = new TensorView(memory, 0, new Shape(1, 1000));
        kernels.NormalNoise(3, 4, RandomStream.Weights, 0.5f, new TensorView(index, 0, new Shape(1)), view);
        float[] filled = new float[1000];
        Philox.Fill(filled, 3, 8, 4, RandomStream.Weights, 0.5);
        Assert.That(filled, Is.EqualTo(view.Span.ToArray()).Within(1e-6));
    }

    private static double[] Draw(ulong seed, uint sample, uint step, RandomStream stream) =>
        [.. Enumerable.Range(0, 1000).Select(i => Philox.Normal(seed, sample, step, stream, i))];

    private static List<(string Name, float[] Values)> Widths<TTransform>(RandomKey key, uint sample, uint block, int count)
        where TTransform : unmanaged, PhiloxLanes.ITransform
    {
        var results = new List<(string, float[])>();
        float[] Buffer(string name)
        {
            float[] buffer = new float[count];
            results.Add((name, buffer));
            return buffer;
        }
        fixed (float* p = Buffer("128 bits")) PhiloxLanes.Fill<Words128, Lanes128, TTransform>(p, key, sample, block, count);
        if (Avx2.IsSupported && Fma.IsSupported)
            fixed (float* p = Buffer("256 bits")) PhiloxLanes.Fill<Words256, Lanes256, TTransform>(p, key, sample, block, count);
        if (Avx512F.IsSupported)
            fixed (float* p = Buffer("512 bits")) PhiloxLanes.Fill<Words512, Lanes512, TTransform>(p, key, sample, block, count);
        return results;
    }
}
