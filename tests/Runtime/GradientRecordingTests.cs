using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cases;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

[TestFixture]
public sealed class GradientRecordingTests
{
    [Test]
    public void Reshape_records_no_step_and_plans_no_memory()
    {
        using var kernels = new CpuKernels(1);
        var builder = new PlanBuilder(kernels);
        var x = builder.Input("x", new Shape(2, 3, 4, 5));
        var y = builder.Reshape(builder.Silu(x), new Shape(2, 60));
        var dy = builder.Input("dy", y.Shape);
        builder.Backward(y, dy, parameters: false, x);
        using var plan = builder.Build();
        Assert.That(plan.Steps.Select(s => s.Kernel), Is.EqualTo(new[] { nameof(IKernels.SiluForward), nameof(IKernels.SiluBackward) }));
        // x, its activation, the cotangent and the gradient of x: the reshaped tensors are none of their own.
        Assert.That(plan.Planned.Count(), Is.EqualTo(4));
    }

    private static readonly Func<PlanBuilder, Tensor, Tensor>[] WithoutGradient =
    [
        (b, x) => b.ScaleRows(b.Input("x2", new Shape(2, 3)), x),
        (b, x) => b.TimestepEmbedding(x, 4),
        (b, x) => b.FourierEmbedding(x, b.Input("f", new Shape(2))),
        (b, x) => b.AddNoise(x, b.Input("alpha", x.Shape), b.Input("sigma", x.Shape), b.Input("index", x.Shape), new(), new(), PredictionTarget.V).Target,
        (b, x) => b.MseLoss(b.Input("p", new Shape(2, 1)), b.Reshape(x, new Shape(2, 1))).Loss,
        (b, x) => b.MseLoss(b.Reshape(x, new Shape(2, 1)), b.Input("t", new Shape(2, 1))).RowLosses,
    ];

    [TestCaseSource(nameof(WithoutGradient))]
    public void A_way_through_an_op_without_gradient_is_an_error_and_not_a_part_that_is_missing(Func<PlanBuilder, Tensor, Tensor> op)
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(2));
        var y = op(b, b.Silu(x));
        // Where the shapes allow it, with a second way, which has a gradient.
        if (y.Shape == x.Shape) y = b.Add(y, x);
        Assert.That(() => b.Backward(y, b.Input("dy", y.Shape), parameters: false, x), Throws.InvalidOperationException.With.Message.Contains("has no gradient"));
    }

    [Test]
    public void Reshape_keeps_the_memory_until_its_own_last_reader()
    {
        using var kernels = new CpuKernels(1);
        var builder = new PlanBuilder(kernels);
        var x = builder.Input("x", new Shape(4, 16));
        var kept = builder.Reshape(builder.Scale(x, 2), new Shape(64));
        var h = x;
        for (int i = 0; i < 4; i++) h = builder.Scale(h, 1);
        builder.Output("y", builder.Add(kept, builder.Reshape(h, new Shape(64))));
        using var plan = builder.Build();
        plan.Input("x").Span.Fill(1);
        plan.Run();
        Assert.That(plan.Output("y").Span.ToArray(), Is.All.EqualTo(3f));
    }

    [Test]
    public void A_chain_of_residuals_copies_no_gradient()
    {
        using var kernels = new CpuKernels(1);
        var builder = new PlanBuilder(kernels);
        var x = builder.Input("x", new Shape(4, 16));
        var h = builder.Silu(x);
        for (int i = 0; i < 3; i++) h = builder.Add(h, builder.Silu(h));
        h = builder.Silu(h);
        var dy = builder.Input("dy", h.Shape);
        builder.Backward(h, dy, parameters: false, x);
        using var plan = builder.Build();
        // One copy per block: the sum's gradient goes on to the trunk, and a second one to the branch.
        Assert.That(plan.Steps.Count(s => s.Kernel == nameof(IKernels.Copy)), Is.EqualTo(3));
    }

    [Test]
    public void A_gradient_that_was_asked_for_is_not_handed_on()
    {
        using var kernels = new CpuKernels(1);
        var builder = new PlanBuilder(kernels);
        var x = builder.Input("x", new Shape(1, 16));
        // The gradient of the sum is 5; that of x adds the path through the scale, 3 * 5.
        var sum = builder.Add(x, builder.Scale(x, 3));
        var y = builder.Scale(sum, 5);
        var dy = builder.Input("dy", y.Shape);
        builder.Backward(y, dy, parameters: false, x, sum);
        builder.Output("dsum", builder.GradientOf(sum));
        builder.Output("dx", builder.GradientOf(x));
        using var plan = builder.Build();
        plan.Input("dy").Span.Fill(1);
        plan.Run();
        Assert.That(plan.Output("dsum").Span.ToArray(), Is.All.EqualTo(5f));
        Assert.That(plan.Output("dx").Span.ToArray(), Is.All.EqualTo(20f));
    }

    [Test, Covers(nameof(IKernels.Fill))]
    public void A_parameter_that_is_not_used_gets_a_gradient_of_zeros()
    {
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        parameters.Add("used", new Shape(1, 16));
        parameters.Add("unused", new Shape(20001));
        var builder = new PlanBuilder(kernels, parameters);
        var y = builder.Scale(builder.Parameter("used"), 3);
        var dy = builder.Input("dy", y.Shape);
        builder.Backward(y, dy, parameters: true);
        using var plan = builder.Build();
        parameters.Gradients.Span.Fill(float.NaN);
        plan.Input("dy").Span.Fill(1);
        plan.Run();
        Assert.That(parameters.GradientOf(parameters["used"]).Span.ToArray(), Is.All.EqualTo(3f));
        Assert.That(parameters.GradientOf(parameters["unused"]).Span.ToArray(), Is.All.EqualTo(0f));
    }
}
