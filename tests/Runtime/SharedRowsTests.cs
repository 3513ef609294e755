using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

[TestFixture]
public sealed class SharedRowsTests
{
    private static readonly int[] SourceRow = [0, 1, 1, 0, 1];

    [Test]
    public void What_the_condition_does_not_reach_is_computed_once_and_gives_the_same_bits()
    {
        using var kernels = new CpuKernels(2);
        var (shared, sharedPlan) = Run(kernels, gather: true);
        var (doubled, doubledPlan) = Run(kernels, gather: false);
        Assert.That(shared, Is.EqualTo(doubled));

        // Two convolutions on 2 rows instead of 5; the one after the embedding is on all 5 in both.
        Assert.That(Batches(sharedPlan, nameof(IKernels.Conv2dForward)), Is.EqualTo(new[] { 2, 2, 5 }));
        Assert.That(Batches(doubledPlan, nameof(IKernels.Conv2dForward)), Is.EqualTo(new[] { 5, 5, 5 }));
        Assert.That(Batches(sharedPlan, nameof(IKernels.GatherRows)), Is.EqualTo(new[] { 5, 5 }), "the operand of the addition, and the residual");
        Assert.That(sharedPlan.Flops + sharedPlan.SharedFlops, Is.EqualTo(doubledPlan.Flops).Within(1e-6 * doubledPlan.Flops));
        Assert.That(sharedPlan.Describe(), Does.Contain("shared rows spare"));
        Assert.That(doubledPlan.SharedFlops, Is.Zero);
    }

    [Test]
    public void Rows_gathered_differently_are_not_mixed_up()
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(2, 3));
        var forward = b.Input("forward", new Shape(2));
        var backward = b.Input("backward", new Shape(2));
        var sum = b.Output("sum", b.Add(b.Silu(b.GatherRows(x, forward)), b.Silu(b.GatherRows(x, backward))));
        using var plan = b.Build();
        kernels.Upload([1f, 2f, 3f, -1f, -2f, -3f], x.View);
        kernels.Upload([0, 1], forward.View);
        kernels.Upload([1, 0], backward.View);
        plan.Run();
        // silu(v) + silu(-v) = v (sigmoid(v) - sigmoid(-v)) = v tanh(v / 2), the same for both rows.
        for (int i = 0; i < 6; i++) Assert.That(sum.View.Span[i], Is.EqualTo((i % 3 + 1) * Math.Tanh((i % 3 + 1) / 2.0)).Within(1e-6));
    }

    [Test]
    public void Gradients_through_gathered_rows_are_refused()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        parameters.Add("w", new Shape(3, 3));
        var b = new PlanBuilder(kernels, parameters);
        var y = b.Linear(b.Add(b.GatherRows(b.Input("x", new Shape(2, 3)), b.Input("rows", new Shape(2))), b.Input("z", new Shape(2, 3))), b.Parameter("w"));
        Assert.That(() => b.Backward(y, b.Input("dy", y.Shape), parameters: true), Throws.InvalidOperationException.With.Message.Contains("GatherRows"));
    }

    private static int[] Batches(Plan plan, string kernel) => [.. plan.Steps.Where(s => s.Kernel == kernel).Select(s => s.Writes[0].Shape.Batch)];

    private static (float[] Result, Plan Plan) Run(CpuKernels kernels, bool gather)
    {
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(gather ? 2 : 5, 8, 8, 16));
        var rows = b.Input("rows", new Shape(5));
        var weight = b.Input("weight", new Shape(16, 3, 3, 16));
        var (gamma, beta) = (b.Input("gamma", new Shape(16)), b.Input("beta", new Shape(16)));
        var scaleShift = b.Input("scaleShift", new Shape(5, 32));
        var h = b.Conv2d(gather ? b.GatherRows(x, rows) : x, weight);
        var residual = h;
        h = b.Conv2d(b.GroupNorm(h, gamma, beta, 4, 1e-5, silu: true), weight);
        h = b.GroupNorm(h, gamma, beta, 4, 1e-5, scaleShift, silu: true);
        var y = b.Output("y", b.Conv2d(h, weight, null, new Conv2dOptions { Residual = residual }));
        var plan = b.Build();
        foreach (var (tensor, sample) in new[] { (weight, 1u), (gamma, 2u), (beta, 3u), (scaleShift, 4u) })
            Philox.Fill(tensor.View.Span, 1, sample, 0, RandomStream.Weights, 0.3);
        float[] images = new float[2 * 8 * 8 * 16];
        Philox.Fill(images, 1, 9, 0, RandomStream.InitialNoise);
        int length = images.Length / 2;
        for (int r = 0; r < (gather ? 2 : 5); r++)
            images.AsSpan((gather ? r : SourceRow[r]) * length, length).CopyTo(x.View.Span[(r * length)..]);
        kernels.Upload(SourceRow, rows.View);
        plan.Run();
        float[] result = y.View.Span.ToArray();
        plan.Dispose();
        return (result, plan);
    }
}
