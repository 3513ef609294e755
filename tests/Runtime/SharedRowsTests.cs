using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Model;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

[TestFixture]
public sealed class SharedRowsTests
{
    private static readonly int[] SourceRow = [0, 1, 1, 0, 1];

    [Test]
    public void What_the_condition_does_not_reach_is_computed_once_and_gives_the_same_bits()
    {
        using IKernels kernels = new CpuKernels(2);
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
        using IKernels kernels = new CpuKernels(1);
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
    public void A_doubled_batch_has_the_gradients_of_its_passes_together()
    {
        using IKernels kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        const int Images = 2;
        var shape = new Shape(Images, TinyModel.Size, TinyModel.Size, 1);
        float[] image = Values(shape, 1), cotangent = Values(shape.WithBatch(2 * Images), 2);

        // Rows 0 and 1 conditional, 2 and 3 with the null class, crosswise.
        var (both, bothParameters) = Gradients(image, [0, 1, 1, 0], [2, 0, 3, 3], cotangent);
        var (conditional, conditionalParameters) = Gradients(image, [0, 1], [2, 0], cotangent[..(int)shape.Count]);
        var (crossed, crossedParameters) = Gradients(image, [1, 0], [3, 3], cotangent[(int)shape.Count..]);
        AssertSum(both, conditional, crossed, "image");
        AssertSum(bothParameters, conditionalParameters, crossedParameters, "parameters");

        (float[] Image, float[] Parameters) Gradients(float[] image, int[] sourceRow, int[] labels, float[] dy)
        {
            var b = new PlanBuilder(kernels, model.Parameters);
            Tensor x = b.Input("x", shape), rows = b.Input("rows", new Shape(sourceRow.Length)), times = b.Input("t", rows.Shape), classes = b.Input("labels", rows.Shape);
            var y = model.Network.Record(b, b.GatherRows(x, rows), times, classes);
            var cotangent = b.Input("dy", y.Shape);
            b.Backward(y, cotangent, parameters: true, x);
            var dx = b.Output("dx", b.GradientOf(x));
            using var plan = b.Build();
            kernels.Upload(image, x.View);
            kernels.Upload(sourceRow, rows.View);
            kernels.Upload(labels, classes.View);
            kernels.Upload(dy, cotangent.View);
            times.View.Span.Fill(300);
            plan.Run();
            Assert.That(plan.Steps.Count(s => s.Kernel == nameof(IKernels.GatherRowsBackward)), Is.GreaterThanOrEqualTo(2), "several ways lead through gathered rows");
            return (dx.View.Span.ToArray(), model.Parameters.Gradients.Span.ToArray());
        }

        static void AssertSum(float[] got, float[] a, float[] b, string what)
        {
            double bound = 1e-5 * a.Concat(b).Max(MathF.Abs);
            for (int i = 0; i < got.Length; i++) Assert.That(got[i], Is.EqualTo((double)a[i] + b[i]).Within(bound), $"{what}, element {i}");
        }
    }

    [Test]
    public void Gradients_through_gathered_rows_are_the_same_bits_for_any_number_of_threads()
    {
        float[][] results = [.. new[] { 1, 2, 7 }.Select(threads =>
        {
            using IKernels kernels = new CpuKernels(threads);
            var b = new PlanBuilder(kernels);
            Tensor x = b.Input("x", new Shape(3, 20001)), rows = b.Input("rows", new Shape(9)), dy = b.Input("dy", new Shape(9, 20001));
            b.Backward(b.GatherRows(x, rows), dy, parameters: false, x);
            var dx = b.Output("dx", b.GradientOf(x));
            using var plan = b.Build();
            kernels.Upload([0, 2, 2, 0, 2, 2, 2, 0, 2], rows.View);
            Values(dy.Shape, 3).CopyTo(dy.View.Span);
            dx.View.Span.Fill(float.NaN);
            plan.Run();
            return dx.View.Span.ToArray();
        })];
        Assert.That(results[1], Is.EqualTo(results[0]));
        Assert.That(results[2], Is.EqualTo(results[0]));
        Assert.That(results[0][20001..40002], Has.All.Zero, "no row was gathered from the second");
    }

    [Test]
    public void A_gathered_tensor_that_ops_went_round_has_no_gradient_of_its_own()
    {
        using IKernels kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        Tensor x = b.Input("x", new Shape(2, 3)), z = b.Input("z", new Shape(4, 3));
        var gathered = b.GatherRows(x, b.Input("rows", new Shape(4)));
        var y = b.Add(b.Add(gathered, z), b.Silu(gathered));
        Assert.That(() => b.Backward(y, b.Input("dy", y.Shape), parameters: false, gathered), Throws.ArgumentException.With.Message.Contains("towards x[N=2,C=3]"));
    }

    [Test]
    public void A_gathered_tensor_that_is_read_itself_has_a_gradient()
    {
        using IKernels kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        Tensor x = b.Input("x", new Shape(1, 3)), z = b.Input("z", new Shape(2, 3)), dy = b.Input("dy", z.Shape);
        var gathered = b.GatherRows(x, b.Input("rows", new Shape(2)));
        b.Backward(b.Add(gathered, z), dy, parameters: false, x, gathered);
        Tensor dx = b.Output("dx", b.GradientOf(x)), dgathered = b.Output("dgathered", b.GradientOf(gathered));
        using var plan = b.Build();
        kernels.Upload([1f, 2f, 3f, 10f, 20f, 30f], dy.View);
        plan.Run();
        Assert.That(dx.View.Span.ToArray(), Is.EqualTo(new[] { 11f, 22f, 33f }));
        Assert.That(dgathered.View.Span.ToArray(), Is.EqualTo(new[] { 1f, 2f, 3f, 10f, 20f, 30f }));
    }

    [Test]
    public void A_gathered_parameter_has_a_gradient()
    {
        using IKernels kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        parameters.Add("w", new Shape(2, 3));
        var b = new PlanBuilder(kernels, parameters);
        Tensor z = b.Input("z", new Shape(3, 3)), rows = b.Input("rows", new Shape(3)), dy = b.Input("dy", z.Shape);
        b.Backward(b.Add(b.GatherRows(b.Parameter("w"), rows), z), dy, parameters: true);
        using var plan = b.Build();
        kernels.Upload([1, 0, 1], rows.View);
        kernels.Upload([1f, 2f, 3f, 10f, 20f, 30f, 100f, 200f, 300f], dy.View);
        plan.Run();
        Assert.That(parameters.GradientOf(parameters["w"]).Span.ToArray(), Is.EqualTo(new[] { 10f, 20f, 30f, 101f, 202f, 303f }));
    }

    [Test]
    public void A_source_row_out_of_range_is_refused_in_both_directions()
    {
        using IKernels kernels = new CpuKernels(1);
        using var memory = kernels.Allocate(64);
        TensorView x = new(memory, 0, new Shape(2, 3)), y = new(memory, 8, new Shape(4, 3)), rows = new(memory, 32, new Shape(4));
        foreach (int wrong in new[] { -1, 2 })
        {
            kernels.Upload([0, 1, 1, wrong], rows);
            Assert.That(() => kernels.GatherRows(x, rows, y), Throws.ArgumentException.With.Message.Contains($"row {wrong} of [N=2,C=3]"));
            Assert.That(() => kernels.GatherRowsBackward(y, rows, x, false), Throws.ArgumentException.With.Message.Contains($"row {wrong} of [N=2,C=3]"));
        }
    }

    private static float[] Values(Shape shape, uint sample)
    {
        float[] values = new float[shape.Count];
        Philox.Fill(values, 1, sample, 0, RandomStream.InitialNoise);
        return values;
    }

    private static int[] Batches(Plan plan, string kernel) => [.. plan.Steps.Where(s => s.Kernel == kernel).Select(s => s.Writes[0].Shape.Batch)];

    private static (float[] Result, Plan Plan) Run(IKernels kernels, bool gather)
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
