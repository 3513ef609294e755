using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cases;
using NativeDiffusion.Tests.Noise;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Optimizer;

[TestFixture]
[Covers(nameof(IKernels.AdamW), nameof(IKernels.GlobalNorm), nameof(IKernels.EmaUpdate))]
public sealed class AdamWTests
{
    private static readonly AdamWStep Settings = new() { LearningRate = 3e-3, WeightDecay = 0.1, ClipNorm = 0.7, AverageDecay = 0.95 };

    [TestCase(1)]
    [TestCase(15)]
    [TestCase(16)]
    [TestCase(33)]
    [TestCase(40001)]
    public void Five_steps_follow_the_formulas_in_double(int count)
    {
        using var state = new State(count);
        using IKernels kernels = new CpuKernels(2);
        double[] value = Widen(state.Values), m = new double[count], v = new double[count], mean = Widen(state.Average);
        for (int k = 1; k <= 5; k++)
        {
            state.DrawGradients(k);
            double[] g = Widen(state.Gradients);
            double norm = Math.Sqrt(g.Sum(e => e * e));
            double scale = Math.Min(1, 0.7 / (norm + 1e-6));
            for (int i = 0; i < count; i++)
            {
                m[i] = 0.9 * m[i] + 0.1 * scale * g[i];
                v[i] = 0.999 * v[i] + 0.001 * scale * g[i] * scale * g[i];
                value[i] -= 3e-3 * 0.1 * value[i];
                value[i] -= 3e-3 * (m[i] / (1 - Math.Pow(0.9, k))) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, k))) + 1e-8);
                mean[i] = 0.95 * mean[i] + 0.05 * value[i];
            }
            state.Step(kernels, Settings with { Step = k });
            Assert.That(state.Norm.Values[0], Is.EqualTo(norm).Within(1e-6).Percent.Or.EqualTo((float)norm));
        }
        AssertClose(state.Values, value, 1e-6, floor: 0.01);
        AssertClose(state.First, m, 1e-6, floor: 0.01);
        AssertClose(state.Second, v, 1e-6);
        AssertClose(state.Average, mean, 1e-6, floor: 0.01);
        state.AssertGuardsIntact();
    }

    [Test]
    public void Bits_do_not_depend_on_threads_and_the_fused_average_equals_a_pass_of_its_own()
    {
        float[][] results = [.. new[] { 1, 2, 7 }.Select(threads =>
        {
            using var state = new State(100_003);
            using IKernels kernels = new CpuKernels(threads);
            using var separate = new GuardedTensor(new Shape(100_003), i => state.Average.View.Span[i]);
            state.DrawGradients(1);
            state.Step(kernels, Settings);
            kernels.EmaUpdate(state.Values, 0.95, separate);
            Assert.That(separate.Values, Is.EqualTo(state.Average.Values));
            separate.AssertGuardsIntact("EmaUpdate");
            return (float[])[.. state.Values.Values, .. state.First.Values, .. state.Second.Values, .. state.Average.Values, .. state.Norm.Values];
        })];
        Assert.That(results[1], Is.EqualTo(results[0]));
        Assert.That(results[2], Is.EqualTo(results[0]));
    }

    [Test]
    public void The_norm_of_widely_ranging_elements_does_not_overflow_or_lose_small_ones()
    {
        using IKernels kernels = new CpuKernels(2);
        using var x = new GuardedTensor(new Shape(100_001), i => i % 3 == 0 ? 3e25f : i % 3 == 1 ? -4e25f : 1e-30f);
        using var norm = new GuardedTensor(new Shape(1));
        kernels.GlobalNorm(x, norm);
        Assert.That(norm.Values[0], Is.EqualTo(Math.Sqrt(x.Values.Sum(e => (double)e * e))).Within(1e-5).Percent);
        norm.AssertGuardsIntact("GlobalNorm");
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void A_gradient_that_is_not_finite_changes_nothing_and_shows_in_the_norm(float bad)
    {
        using var state = new State(1000);
        using IKernels kernels = new CpuKernels(1);
        state.DrawGradients(1);
        state.Gradients.View.Span[777] = bad;
        float[] before = [.. state.Values.Values, .. state.First.Values, .. state.Second.Values, .. state.Average.Values];
        state.Step(kernels, Settings);
        Assert.That(float.IsFinite(state.Norm.Values[0]), Is.False);
        Assert.That((float[])[.. state.Values.Values, .. state.First.Values, .. state.Second.Values, .. state.Average.Values], Is.EqualTo(before));
    }

    [Test]
    public void Constants_out_of_range_are_refused()
    {
        using var state = new State(10);
        using IKernels kernels = new CpuKernels(1);
        foreach (var bad in new[] { Settings with { Step = 0 }, Settings with { Beta1 = 1 }, Settings with { Beta2 = -0.1 }, Settings with { Epsilon = 0 } })
            Assert.That(() => state.Step(kernels, bad), Throws.ArgumentException);
        Assert.That(() => kernels.AdamW(Settings, state.Gradients, default, state.Values, state.First, state.Second, default),
            Throws.ArgumentException.With.Message.Contains("GlobalNorm"));
    }

    [Test]
    public void A_plan_with_the_optimiser_minimises_a_distance_and_marks_the_weights_changed()
    {
        using IKernels kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var weight = parameters.Add("w", new Shape(5, 7));
        parameters.Add("unused", new Shape(3));
        using var average = parameters.Clone();
        var builder = new PlanBuilder(kernels, parameters);
        var loss = builder.Silu(builder.Add(builder.Parameter("w"), builder.Input("offset", new Shape(5, 7))));
        builder.Backward(loss, builder.Input("cotangent", new Shape(5, 7)), parameters: true);
        var settings = new Slot<AdamWStep>();
        builder.Output("norm", builder.AdamW(settings, average));
        using var plan = builder.Build();
        plan.Input("offset").Span.Fill(1);
        plan.Input("cotangent").Span.Fill(1);
        long version = parameters.Version, averageVersion = average.Version, allocated = 0;
        for (int k = 1; k <= 400; k++)
        {
            settings.Value = new AdamWStep { Step = k, LearningRate = 0.02, ClipNorm = 10, AverageDecay = 0.5 };
            long before = GC.GetAllocatedBytesForCurrentThread();
            plan.Run();
            if (k > 1) allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        }
        // silu is smallest at -1.2785.
        Assert.That(parameters.ValueOf(weight).Span.ToArray(), Is.All.EqualTo(-2.2785).Within(0.02));
        Assert.That(average.Values.Span[0], Is.EqualTo(-2.2785).Within(0.02));
        Assert.That(parameters.ValueOf(parameters["unused"]).Span.ToArray(), Is.All.Zero);
        Assert.That((parameters.Version - version, average.Version - averageVersion), Is.EqualTo((400L, 400L)));
        Assert.That(plan.Output("norm").Span[0], Is.LessThan(0.1f));
        Assert.That(allocated, Is.Zero);
    }

    private static double[] Widen(GuardedTensor tensor) => [.. tensor.Values.Select(v => (double)v)];

    private static void AssertClose(GuardedTensor got, double[] expected, double tolerance, double floor = 1e-9)
    {
        float[] values = got.Values;
        double bound = tolerance * (floor + expected.Max(Math.Abs));
        for (int i = 0; i < values.Length; i++)
            if (!(Math.Abs(values[i] - expected[i]) <= bound))
                Assert.Fail($"Element {i} of {values.Length} is {values[i]}, should be {expected[i]} within {bound:g3}.");
    }

    private sealed class State(int count) : IDisposable
    {
        public GuardedTensor Gradients { get; } = new(new Shape(count));

        public GuardedTensor Values { get; } = new(new Shape(count), i => MathF.Sin(i));

        public GuardedTensor First { get; } = new(new Shape(count), _ => 0);

        public GuardedTensor Second { get; } = new(new Shape(count), _ => 0);

        public GuardedTensor Average { get; } = new(new Shape(count), i => MathF.Sin(i));

        public GuardedTensor Norm { get; } = new(new Shape(1));

        public void DrawGradients(int seed)
        {
            var random = new Random(seed);
            foreach (ref float g in Gradients.View.Span) g = (float)(random.NextDouble() * 2 - 1);
        }

        public void Step(IKernels kernels, AdamWStep settings)
        {
            kernels.GlobalNorm(Gradients, Norm);
            kernels.AdamW(settings, Gradients, Norm, Values, First, Second, Average);
        }

        public void AssertGuardsIntact()
        {
            foreach (var tensor in new[] { Gradients, Values, First, Second, Average, Norm }) tensor.AssertGuardsIntact("AdamW");
        }

        public void Dispose()
        {
            foreach (var tensor in new[] { Gradients, Values, First, Second, Average, Norm }) tensor.Dispose();
        }
    }
}
