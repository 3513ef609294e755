using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>What cannot have a right gradient, or right values, is refused while a plan is recorded.</summary>
[TestFixture]
public sealed class GradientWaysTests
{
    private static readonly Shape Vector = new(3, 8);

    private CpuKernels _kernels = null!;

    [SetUp]
    public void Start() => _kernels = new CpuKernels(1);

    [TearDown]
    public void End() => _kernels.Dispose();

    [Test]
    public void A_call_of_ones_own_without_a_gradient_loses_none_in_silence([Values] bool hasSecondWay)
    {
        var b = new PlanBuilder(_kernels);
        var x = b.Input("x", Vector);
        var y = Own(b, b.Silu(x));
        y = hasSecondWay ? b.Add(y, x) : b.Silu(y);
        Assert.That(() => b.Backward(y, b.Input("dy", Vector), parameters: false, x), Throws.InvalidOperationException.With.Message.Contains("mine").And.Message.Contains("OnBackward"));
    }

    [Test]
    public void A_parameter_has_no_part_of_its_gradient_either()
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("w", Vector);
        var b = new PlanBuilder(_kernels, parameters);
        var w = b.Parameter("w");
        var y = b.Add(Own(b, w), w);
        Assert.That(() => b.Backward(y, b.Input("dy", Vector), parameters: true), Throws.InvalidOperationException.With.Message.Contains("mine"));
    }

    [Test]
    public void A_parameter_that_is_the_output_itself_has_the_cotangent_as_gradient()
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("w", Vector);
        var b = new PlanBuilder(_kernels, parameters);
        var dy = b.Input("dy", Vector);
        b.Backward(b.Parameter("w"), dy, parameters: true);
        using var plan = b.Build();
        dy.View.Span.Fill(3);
        plan.Run();
        Assert.That(parameters.GradientOf(parameters["w"]).Span.ToArray(), Is.All.EqualTo(3f));
    }

    [Test]
    public void A_call_of_ones_own_that_says_its_gradient_has_it()
    {
        var b = new PlanBuilder(_kernels);
        var x = b.Input("x", Vector);
        var doubled = Own(b, x);
        b.OnBackward([x], doubled, dy => b.PassGradient(b.Scale(dy, 2), x));
        var y = b.Add(doubled, x);
        var dy = b.Input("dy", Vector);
        b.Backward(y, dy, parameters: false, x);
        b.Output("dx", b.GradientOf(x));
        using var plan = b.Build();
        dy.View.Span.Fill(1);
        plan.Run();
        Assert.That(plan.Output("dx").Span.ToArray(), Is.All.EqualTo(3f));
    }

    [Test]
    public void Beside_the_way_a_call_of_ones_own_is_no_matter()
    {
        var b = new PlanBuilder(_kernels);
        Tensor x = b.Input("x", Vector), other = b.Input("other", Vector);
        var y = b.Add(b.Silu(x), Own(b, other));
        b.Output("seen", Own(b, y));
        Assert.That(() => b.Backward(y, b.Input("dy", Vector), parameters: false, x), Throws.Nothing);
    }

    // Each changes in place what had a value that a gradient needs, or that led to it.
    private static readonly (string Name, Action<PlanBuilder, Tensor> Change)[] Changes =
    [
        ("a call of one's own", (b, x) => b.Record("mine", [], [x], _ => { })),
        ("SelectRows", (b, x) => b.SelectRows(b.Input("select", new Shape(3)), b.Input("a", Vector), b.Input("b", Vector), x)),
        ("GuidanceShift", (b, x) => b.GuidanceShift(b.Input("g", Vector), null, b.Input("w", new Shape(3)), x, accumulate: false)),
        ("Adam", (b, x) => b.Adam(new Slot<AdamWStep>(), b.Input("g", Vector), x, b.Input("m", Vector), b.Input("v", Vector))),
        ("Quantile", (b, x) => b.Quantile(b.Input("a", Vector), 0.5, 2, b.Reshape(b.Rows(b.Reshape(x, new Shape(24)), 0, 3), new Shape(3)))),
    ];

    [Test]
    public void A_tensor_that_was_changed_in_place_has_no_gradient([ValueSource(nameof(Changes))] (string Name, Action<PlanBuilder, Tensor> Change) by, [Values] bool between)
    {
        var b = new PlanBuilder(_kernels);
        var x = b.Input("x", Vector);
        var h = between ? b.Silu(x) : x;
        var y = b.Silu(h);
        by.Change(b, h);
        if (between) y = b.Silu(h);
        Assert.That(() => b.Backward(y, b.Input("dy", Vector), parameters: false, x), Throws.InvalidOperationException.With.Message.Contains("gradient"), by.Name);
    }

    [Test]
    public void A_change_after_the_gradient_is_allowed()
    {
        var b = new PlanBuilder(_kernels);
        Tensor x = b.Input("x", Vector), y = b.Silu(x);
        b.Backward(y, b.Input("dy", Vector), parameters: false, x);
        Assert.That(() => b.Adam(new Slot<AdamWStep>(), b.GradientOf(x), x, b.Input("m", Vector), b.Input("v", Vector)), Throws.Nothing);
    }

    // Its memory may hold the gradient of another tensor by the time that it is read.
    [Test]
    public void A_gradient_that_was_not_asked_for_is_not_given()
    {
        var b = new PlanBuilder(_kernels);
        var x = b.Input("x", Vector);
        var sum = b.Add(x, b.Scale(x, 3));
        b.Backward(b.Scale(sum, 5), b.Input("dy", Vector), parameters: false, x);
        Assert.That(() => b.GradientOf(sum), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("inputs of Backward"));
    }

    [Test]
    public void A_tensor_of_another_plan_is_refused()
    {
        PlanBuilder one = new(_kernels), two = new(_kernels);
        Tensor x = one.Input("x", Vector), y = one.Silu(x), z = two.Input("z", Vector);
        Action[] uses =
        [
            () => two.Add(z, x), () => two.Silu(y), () => two.Silu(two.GatherRows(x, two.Input("rows", new Shape(2)))), () => two.Silu(two.Reshape(x, new Shape(24))), () => two.Output("y", y),
            () => two.Record("mine", [z], [y], _ => { }),
        ];
        for (int i = 0; i < uses.Length; i++) Assert.That(uses[i], Throws.ArgumentException.With.Message.Contains("another plan"), $"use {i}");
    }

    [Test]
    public void A_value_that_no_step_has_written_is_not_read()
    {
        var b = new PlanBuilder(_kernels);
        var t = b.Temporary(Vector, "t");
        Assert.That(() => b.Silu(t), Throws.InvalidOperationException.With.Message.Contains("t[N=3,C=8]"));
        Assert.That(() => b.Silu(b.Rows(t, 1, 1)), Throws.InvalidOperationException);
        b.Record("mine", [], [t], _ => { });
        Assert.That(() => b.Silu(t), Throws.Nothing);
    }

    private static Tensor Own(PlanBuilder b, Tensor x)
    {
        var y = b.Temporary(x.Shape, "own");
        b.Record("mine", [x], [y], k =>
        {
            float[] values = new float[x.Count];
            k.Download(x.View, values);
            k.Upload([.. values.Select(v => 2 * v)], y.View);
        });
        return y;
    }
}
