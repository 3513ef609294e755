using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cases;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>What <see cref="PlanBuilder.Backward"/> records around the ops: accumulation, sharing of buffers, leaves.</summary>
public sealed class GradientTests
{
    private static readonly Shape Vector = new(3, 37);

    private CpuKernels _kernels = null!;

    [SetUp]
    public void Start() => _kernels = new CpuKernels(2);

    [TearDown]
    public void End() => _kernels.Dispose();

    // y = silu(conv(silu(x), w) + b + x): central differences in float, so within what their own rounding allows.
    [Test]
    public void Parameter_gradients_of_a_composition_are_finite_differences()
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("w", new Shape(4, 3, 3, 4));
        parameters.Add("b", new Shape(4));
        FillRandom(parameters.Values, 1, 0.4f);
        var builder = new PlanBuilder(_kernels, parameters);
        var x = builder.Input("x", new Shape(2, 5, 6, 4));
        var h = builder.Conv2d(builder.Silu(x), builder.Parameter("w"), builder.Parameter("b"));
        var y = builder.Output("y", builder.Silu(builder.Add(h, x)));
        var dy = builder.Input("dy", y.Shape);
        builder.Backward(y, dy, parameters: true);
        using var plan = builder.Build();
        FillRandom(x.View, 2, 1);
        FillRandom(dy.View, 3, 1);
        plan.Run();
        float[] gradient = parameters.Gradients.Span.ToArray();

        double Loss()
        {
            parameters.MarkChanged();
            plan.Run();
            double sum = 0;
            for (int i = 0; i < y.Count; i++) sum += (double)y.View.Span[i] * dy.View.Span[i];
            return sum;
        }
        for (int i = 0; i < parameters.Values.Count; i += i < 144 ? 7 : 1)
        {
            if (i is >= 148) break;
            float value = parameters.Values.Span[i];
            const float H = 1f / 256;
            parameters.Values.Span[i] = value + H;
            double plus = Loss();
            parameters.Values.Span[i] = value - H;
            double expected = (plus - Loss()) / (2 * H);
            parameters.Values.Span[i] = value;
            Assert.That(gradient[i], Is.EqualTo(expected).Within(2e-3 * (1 + Math.Abs(expected))), $"element {i}");
        }
    }

    [Test]
    public void A_parameter_used_twice_has_the_sum_of_both_gradients()
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("w", Vector);
        FillRandom(parameters.Values, 1, 1);
        var builder = new PlanBuilder(_kernels, parameters);
        var w = builder.Parameter("w");
        Assert.That(builder.Parameter("w"), Is.SameAs(w));
        var y = builder.Add(w, builder.Add(builder.Silu(w), w));
        float[] dy = Run(builder, y, parameters: true);
        float[] got = parameters.GradientOf(parameters["w"]).Span.ToArray();
        AssertClose(got, (i, x) => dy[i] * (2 + SiluSlope(x)), parameters.ValueOf(parameters["w"]).Span.ToArray());
    }

    [Test, Covers(nameof(IKernels.Fill))]
    public void A_parameter_without_use_has_gradient_zero_whatever_its_memory_held([Values] bool named)
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("used", Vector);
        parameters.Add("unused", new Shape(1, 37));
        parameters.Add("last", Vector);
        new TensorView(parameters.Gradients.Memory!, 0, new Shape((int)parameters.Gradients.Count)).Span.Fill(float.NaN);
        var builder = new PlanBuilder(_kernels, parameters);
        if (named) builder.Silu(builder.Parameter("unused"));
        Run(builder, builder.Add(builder.Parameter("used"), builder.Parameter("last")), parameters: true);
        Assert.That(parameters.GradientOf(parameters["unused"]).Span.ToArray(), Is.All.EqualTo(0f));
        Assert.That(parameters.GradientOf(parameters["used"]).Span.ToArray(), Has.None.NaN);
        Assert.That(parameters.GradientOf(parameters["last"]).Span.ToArray(), Has.None.NaN);
    }

    // In each of these the cotangent reaches a tensor that has other consumers, whose gradients are added.
    private static readonly (string Name, Func<PlanBuilder, Tensor, Tensor> Record, Func<double, double> Slope)[] Fans =
    [
        ("x + x", (b, x) => b.Add(x, x), _ => 2),
        ("(x + x) + x", (b, x) => b.Add(b.Add(x, x), x), _ => 3),
        ("(x + x) + (x + x)", (b, x) => b.Add(b.Add(x, x), b.Add(x, x)), _ => 4),
        ("x + silu(x)", (b, x) => b.Add(x, b.Silu(x)), x => 1 + SiluSlope(x)),
        ("silu(x) + x", (b, x) => b.Add(b.Silu(x), x), x => 1 + SiluSlope(x)),
        ("silu(x) + silu(x) + x", (b, x) => b.Add(b.Add(b.Silu(x), b.Silu(x)), x), x => 1 + 2 * SiluSlope(x)),
        ("h + (h + silu(h)), h = silu(x)", (b, x) =>
        {
            var h = b.Silu(x);
            return b.Add(h, b.Add(h, b.Silu(h)));
        }, x => SiluSlope(x) * (2 + SiluSlope(Silu(x)))),
        ("a chain of residuals", (b, x) =>
        {
            for (int i = 0; i < 3; i++) x = b.Add(x, b.Silu(x));
            return x;
        }, x =>
        {
            double slope = 1;
            for (int i = 0; i < 3; i++) (slope, x) = (slope * (1 + SiluSlope(x)), x + Silu(x));
            return slope;
        }),
    ];

    [Test]
    public void A_tensor_with_several_consumers_has_the_sum_and_the_cotangent_is_left_alone([Range(0, 7)] int fan)
    {
        var (name, record, slope) = Fans[fan];
        var builder = new PlanBuilder(_kernels);
        var x = builder.Input("x", Vector);
        var y = record(builder, x);
        var dy = builder.Input("dy", Vector);
        builder.Backward(y, dy, parameters: false, x);
        var dx = builder.Output("dx", builder.GradientOf(x));
        using var plan = builder.Build();
        FillRandom(x.View, 1, 2);
        FillRandom(dy.View, 2, 1);
        float[] cotangent = dy.View.Span.ToArray();
        plan.Run();
        Assert.That(dy.View.Span.ToArray(), Is.EqualTo(cotangent), name);
        AssertClose(dx.View.Span.ToArray(), (i, v) => cotangent[i] * slope(v), x.View.Span.ToArray());
    }

    // The gradient of h passes through the addition into a, which then accumulates more of its own: that may not show in h's.
    [Test]
    public void An_intermediate_gradient_that_was_asked_for_is_not_changed_by_what_follows()
    {
        var builder = new PlanBuilder(_kernels);
        var x = builder.Input("x", Vector);
        var a = builder.Silu(x);
        var h = builder.Add(a, builder.Silu(a));
        var dy = builder.Input("dy", Vector);
        builder.Backward(builder.Silu(h), dy, parameters: false, x, a, h);
        Tensor dx = builder.Output("dx", builder.GradientOf(x)), da = builder.Output("da", builder.GradientOf(a)), dh = builder.Output("dh", builder.GradientOf(h));
        using var plan = builder.Build();
        FillRandom(x.View, 1, 2);
        dy.View.Span.Fill(1);
        plan.Run();
        static double Sum(double x) => Silu(x) + Silu(Silu(x));
        static double SlopeA(double x) => SiluSlope(Sum(x)) * (1 + SiluSlope(Silu(x)));
        float[] values = x.View.Span.ToArray();
        AssertClose(dh.View.Span.ToArray(), (_, v) => SiluSlope(Sum(v)), values);
        AssertClose(da.View.Span.ToArray(), (_, v) => SlopeA(v), values);
        AssertClose(dx.View.Span.ToArray(), (_, v) => SlopeA(v) * SiluSlope(v), values);
    }

    [Test]
    public void Only_the_gradients_asked_for_are_recorded()
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("w", new Shape(2, 3, 3, 2));
        var builder = new PlanBuilder(_kernels, parameters);
        var x = builder.Input("x", new Shape(1, 4, 4, 2));
        var y = builder.Conv2d(x, builder.Parameter("w"));
        builder.Backward(y, builder.Input("dy", y.Shape), parameters: false, x);
        Assert.That(builder.Steps.Select(s => s.Kernel), Has.None.EqualTo(nameof(IKernels.Conv2dWeightGrad)).And.Some.EqualTo(nameof(IKernels.Conv2dInputGrad)));
        Assert.That(() => builder.GradientOf(builder.Parameter("w")), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("w[N=2,H=3,W=3,C=2]"));
    }

    [Test]
    public void A_convolutions_input_gradient_goes_through_the_activation_before_it()
    {
        float[] Gradient(float? beta, bool apart, out Step[] steps, bool asksBetween = false)
        {
            using var parameters = new Parameters(_kernels);
            parameters.Add("w", new Shape(2, 3, 3, 2), Initializer.FanIn(18));
            WeightInitialization.Apply(parameters, _kernels, 1);
            var builder = new PlanBuilder(_kernels, parameters);
            var x = builder.Input("x", new Shape(1, 4, 4, 2));
            Tensor Layer(Tensor input)
            {
                var y = builder.Conv2d(input, builder.Parameter("w"), null, new Conv2dOptions { Residual = x, Relu = beta is null && !apart, SoftplusBeta = apart ? null : beta });
                return !apart ? y : beta is { } b ? builder.Softplus(y, b) : builder.Relu(y);
            }
            var first = Layer(x);
            var second = Layer(first);
            var dy = builder.Input("dy", second.Shape);
            if (asksBetween) builder.Backward(second, dy, parameters: false, x, first);
            else builder.Backward(second, dy, parameters: false, x);
            var dx = builder.Output("dx", builder.GradientOf(x));
            if (asksBetween) builder.Output("between", builder.GradientOf(first));
            using var plan = builder.Build();
            steps = [.. plan.Steps];
            FillRandom(x.View, 1, 2);
            dy.View.Span.Fill(1);
            plan.Run();
            return asksBetween ? [.. dx.View.Span, .. plan.Output("between").Span] : dx.View.Span.ToArray();
        }
        foreach (float? beta in new float?[] { null, 3 })
        {
            string backward = beta is null ? nameof(IKernels.ReluBackward) : nameof(IKernels.SoftplusBackward);
            float[] apart = Gradient(beta, apart: true, out _), together = Gradient(beta, apart: false, out var steps);
            Assert.That(together, Is.EqualTo(apart));
            Assert.That(steps.Count(s => s.Kernel == backward), Is.EqualTo(1), "only the last activation, behind which there is no convolution");
            // Where the gradient between is asked for as well, it stays as it is.
            Assert.That(Gradient(beta, apart: false, out steps, asksBetween: true), Is.EqualTo(Gradient(beta, apart: true, out _, asksBetween: true)));
            Assert.That(steps.Count(s => s.Kernel == backward), Is.EqualTo(2));
        }
    }

    [Test]
    public void Impossible_gradients_are_refused_with_the_tensors()
    {
        PlanBuilder Fresh(out Tensor x, out Tensor y, out Tensor dy)
        {
            var builder = new PlanBuilder(_kernels);
            x = builder.Input("x", Vector);
            dy = builder.Input("dy", Vector);
            y = builder.Silu(x);
            return builder;
        }
        using (Assert.EnterMultipleScope())
        {
            var builder = Fresh(out var x, out var y, out var dy);
            var wrong = builder.Input("wrong", new Shape(3, 36));
            Assert.That(() => builder.Backward(y, wrong, false, x), Throws.ArgumentException.With.Message.Contains("wrong[N=3,C=36]").And.Message.Contains("silu[N=3,C=37]"));
            Assert.That(() => builder.Backward(y, dy, parameters: true), Throws.InvalidOperationException.With.Message.Contains("silu[N=3,C=37]"));
            var other = builder.Input("other", Vector);
            Assert.That(() => builder.Backward(y, dy, false, x, other), Throws.ArgumentException.With.Message.Contains("other[N=3,C=37]"));
            builder = Fresh(out x, out y, out dy);
            builder.Backward(y, dy, false, x);
            Assert.That(() => builder.Backward(y, dy, false, x), Throws.InvalidOperationException.With.Message.Contains("silu[N=3,C=37]"));
        }
    }

    private static double Silu(double x) => x / (1 + Math.Exp(-x));

    private static double SiluSlope(double x)
    {
        double s = 1 / (1 + Math.Exp(-x));
        return s * (1 + x * (1 - s));
    }

    private static void AssertClose(float[] got, Func<int, double, double> expected, float[] at)
    {
        for (int i = 0; i < got.Length; i++)
            Assert.That(got[i], Is.EqualTo(expected(i, at[i])).Within(1e-5), $"element {i}");
    }

    /// <summary>Records the gradient of y, runs with a random cotangent and returns it.</summary>
    private static float[] Run(PlanBuilder builder, Tensor y, bool parameters)
    {
        var dy = builder.Input("dy", y.Shape);
        builder.Backward(y, dy, parameters);
        using var plan = builder.Build();
        FillRandom(dy.View, 5, 1);
        plan.Run();
        return dy.View.Span.ToArray();
    }

    private static void FillRandom(TensorView view, int seed, float range)
    {
        var random = new Random(seed);
        foreach (ref float value in view.Span) value = (float)((2 * random.NextDouble() - 1) * range);
    }
}
