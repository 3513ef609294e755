using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Recording, memory, packed weights and errors of plans; <see cref="GradientTests"/> has the backward side.</summary>
public sealed class PlanTests
{
    private CpuKernels _kernels = null!;

    [SetUp]
    public void Start() => _kernels = new CpuKernels(2);

    [TearDown]
    public void End() => _kernels.Dispose();

    [Test]
    public void A_second_run_gives_the_same_bits_and_allocates_nothing()
    {
        using var parameters = ConvParameters();
        var builder = new PlanBuilder(_kernels, parameters);
        var y = builder.Output("y", Net(builder, 2));
        builder.Backward(y, builder.Input("dy", y.Shape), parameters: true);
        using var plan = builder.Build();
        FillRandom(plan.Input("x"), 1);
        FillRandom(plan.Input("dy"), 2);
        plan.Run();
        float[] first = plan.Output("y").Span.ToArray(), gradients = parameters.Gradients.Span.ToArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        plan.Run();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.That(allocated, Is.Zero);
        Assert.That(Bits(plan.Output("y").Span), Is.EqualTo(Bits(first)));
        Assert.That(Bits(parameters.Gradients.Span), Is.EqualTo(Bits(gradients)));
        Assert.That(first, Has.None.NaN.And.Some.Not.Zero);
    }

    [Test]
    public void Memory_of_dead_tensors_is_used_again_and_the_peak_is_what_the_arena_holds()
    {
        using var arena = new Arena(_kernels);
        var builder = new PlanBuilder(_kernels);
        var x = builder.Input("x", new Shape(2, 1000));
        var h = x;
        for (int i = 0; i < 20; i++) h = builder.Silu(h);
        builder.Output("y", h);
        using var plan = builder.Build(arena);
        Assert.That(plan.PeakBytes, Is.EqualTo(arena.Bytes));
        Assert.That(plan.PeakBytes, Is.EqualTo(plan.Planned.Max(t => (t.View.Offset + (t.Count + 15) / 16 * 16) * sizeof(float))));
        Assert.That(plan.PeakBytes, Is.EqualTo(3 * 2000 * sizeof(float)), "the input, and two places that the chain takes in turn");
        foreach (var tensor in plan.Planned) Assert.That(tensor.View.Offset % 16, Is.Zero, tensor.ToString());
    }

    [Test]
    public void An_output_that_later_steps_read_keeps_its_value_to_the_end()
    {
        var builder = new PlanBuilder(_kernels);
        var x = builder.Input("x", new Shape(2, 50));
        var early = builder.Output("early", builder.Silu(x));
        var h = early;
        for (int i = 0; i < 8; i++) h = builder.Add(builder.Silu(h), h);
        builder.Output("late", h);
        using var plan = builder.Build();
        FillRandom(x.View, 1);
        float[] input = x.View.Span.ToArray();
        plan.Run();
        Assert.That(x.View.Span.ToArray(), Is.EqualTo(input), "an input is the caller's");
        for (int i = 0; i < input.Length; i++)
            Assert.That(plan.Output("early").Span[i], Is.EqualTo(input[i] / (1 + Math.Exp(-input[i]))).Within(1e-6));
    }

    [Test]
    public void Plans_of_several_sizes_share_an_arena_and_the_earlier_one_stays_right()
    {
        using var arena = new Arena(_kernels);
        using var parameters = ConvParameters();
        using var small = Forward(parameters, 1, arena);
        long smallBytes = arena.Bytes;
        float[] expected = RunOn(small, 7);
        using var large = Forward(parameters, 5, arena);
        Assert.That(arena.Bytes, Is.EqualTo(large.PeakBytes).And.GreaterThan(smallBytes));
        Assert.That(small.PeakBytes, Is.EqualTo(smallBytes));
        float[] rows = RunOn(large, 7);
        Assert.That(Bits(RunOn(small, 7)), Is.EqualTo(Bits(expected)));
        Assert.That(Bits(rows.AsSpan(0, expected.Length)), Is.EqualTo(Bits(expected)), "row 0 of five");
        small.Dispose();
        Assert.That(Bits(RunOn(large, 7)), Is.EqualTo(Bits(rows)), "the arena belongs to its owner, not to a plan");
    }

    [Test]
    public void Packed_weights_are_shared_by_plans_and_redone_only_after_a_change()
    {
        using var parameters = ConvParameters();
        using var one = Forward(parameters, 1);
        using var three = Forward(parameters, 3);
        var (packOne, packThree) = (Packed(one), Packed(three));
        Assert.That(packOne.Memory, Is.SameAs(packThree.Memory), "one set of packed weights");

        float[] before = RunOn(one, 1);
        parameters.ValueOf(parameters["w"]).Span.Fill(0.25f);
        Assert.That(Bits(RunOn(one, 1)), Is.EqualTo(Bits(before)), "nobody said that the values changed");
        parameters.MarkChanged();
        float[] after = RunOn(one, 1);
        Assert.That(after, Is.Not.EqualTo(before));
        packOne.Span.Fill(float.NaN);
        Assert.That(RunOn(three, 1), Has.Some.NaN, "the other plan used what the first had packed");
        parameters.MarkChanged();
        Assert.That(Bits(RunOn(three, 1).AsSpan(0, after.Length)), Is.EqualTo(Bits(after)));
    }

    [Test]
    public void A_weight_that_is_no_parameter_is_packed_in_every_run()
    {
        var builder = new PlanBuilder(_kernels);
        var x = builder.Input("x", new Shape(1, 4, 4, 3));
        var w = builder.Input("w", new Shape(2, 1, 1, 3));
        var y = builder.Output("y", builder.Conv2d(x, w));
        using var plan = builder.Build();
        x.View.Span.Fill(1);
        foreach (float value in new[] { 1f, 2f, -3f })
        {
            w.View.Span.Fill(value);
            plan.Run();
            Assert.That(y.View.Span.ToArray(), Is.All.EqualTo(3 * value));
        }
    }

    [Test]
    public void The_description_names_steps_shapes_and_sizes()
    {
        using var parameters = ConvParameters();
        using var plan = Forward(parameters, 2);
        FillRandom(plan.Input("x"), 1);
        plan.RunProfiled();
        string text = plan.Describe();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Does.Contain(_kernels.DeviceName).And.Contain($"{plan.Steps.Count} steps"));
            foreach (var step in plan.Steps) Assert.That(text, Does.Contain(step.Kernel).And.Contain(step.Writes[0].ToString()));
            Assert.That(text, Does.Contain("block.silu[N=2,H=8,W=8,C=4]").And.Contain((2 * 8 * 8 * 4 * sizeof(float)).ToString()));
            Assert.That(text, Does.Contain("bound"), "packed weights lie outside the arena");
            Assert.That(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(plan.Steps.Count + 2));
            Assert.That(plan.Flops, Is.EqualTo(plan.Steps.Sum(s => s.Flops)).And.GreaterThan(2.0 * 2 * 8 * 8 * 4 * 4 * 9));
            Assert.That(plan.Steps.Select(s => s.Seconds), Has.All.GreaterThan(0));
        }
    }

    [Test]
    public void Bound_memory_is_read_and_written_in_place()
    {
        using var memory = new CpuMemory(64);
        var state = new TensorView(memory, 16, new Shape(2, 10));
        state.Span.Fill(1);
        var builder = new PlanBuilder(_kernels);
        var bound = builder.Bind("state", state);
        Assert.That(bound.View.Offset, Is.EqualTo(16), "known at once");
        builder.Record(nameof(IKernels.Accumulate), [bound], [bound], k => k.Accumulate(bound.View, bound.View));
        using var plan = builder.Build();
        plan.Run();
        plan.Run();
        Assert.That(state.Span.ToArray(), Is.All.EqualTo(4f));
        Assert.That(plan.PeakBytes, Is.Zero);
    }

    [Test]
    public void Mistakes_in_recording_are_refused_with_names_and_shapes()
    {
        using var parameters = ConvParameters();
        var builder = new PlanBuilder(_kernels, parameters);
        var x = builder.Input("x", new Shape(2, 8, 8, 4));
        var narrow = builder.Input("narrow", new Shape(2, 8, 8, 3));
        var y = builder.Output("y", builder.Silu(x));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => builder.Input("x", new Shape(1)), Throws.ArgumentException.With.Message.Contains("'x'"));
            Assert.That(() => builder.Output("y", x), Throws.ArgumentException.With.Message.Contains("'y'"));
            Assert.That(() => builder.Parameter("nobody"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("'nobody'"));
            Assert.That(() => new PlanBuilder(_kernels).Parameter("w"), Throws.InvalidOperationException.With.Message.Contains("'w'"));
            Assert.That(() => builder.Add(x, narrow), Throws.ArgumentException.With.Message.Contains("x[N=2,H=8,W=8,C=4]").And.Message.Contains("narrow[N=2,H=8,W=8,C=3]"));
            Assert.That(() => builder.Conv2d(narrow, builder.Parameter("w")), Throws.ArgumentException.With.Message.Contains("narrow[N=2,H=8,W=8,C=3]"));
            Assert.That(() => y.View, Throws.InvalidOperationException.With.Message.Contains("silu[N=2,H=8,W=8,C=4]"));
        }
        using var plan = builder.Build();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => plan.Input("z"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("'z'").And.Message.Contains("'x', 'narrow'"));
            Assert.That(() => plan.Output("z"), Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("'z'").And.Message.Contains("'y'"));
            Assert.That(() => builder.Silu(x), Throws.InvalidOperationException.With.Message.Contains(nameof(IKernels.SiluForward)));
            Assert.That(() => builder.Build(), Throws.InvalidOperationException.With.Message.Contains("1 steps"));
        }
        var empty = new PlanBuilder(_kernels);
        empty.Output("nothing", empty.Temporary(new Shape(7), "h"));
        Assert.That(() => empty.Build(), Throws.InvalidOperationException.With.Message.Contains("'nothing'").And.Message.Contains("h[C=7]"));
    }

    [Test]
    public void A_plan_of_its_own_memory_frees_it()
    {
        using var parameters = ConvParameters();
        var plan = Forward(parameters, 1);
        plan.Dispose();
        Assert.That(() => plan.Input("x").Span.Length, Throws.TypeOf<ObjectDisposedException>());
    }

    private Parameters ConvParameters()
    {
        var parameters = new Parameters(_kernels);
        parameters.Add("w", new Shape(4, 3, 3, 4));
        parameters.Add("b", new Shape(4));
        FillRandom(parameters.Values, 9);
        return parameters;
    }

    private static Tensor Net(PlanBuilder builder, int batch)
    {
        var x = builder.Input("x", new Shape(batch, 8, 8, 4));
        builder.Scope = "block";
        return builder.Add(builder.Silu(builder.Conv2d(x, builder.Parameter("w"), builder.Parameter("b"))), x);
    }

    private Plan Forward(Parameters parameters, int batch, Arena? arena = null)
    {
        var builder = new PlanBuilder(_kernels, parameters);
        builder.Output("y", Net(builder, batch));
        return builder.Build(arena);
    }

    private static TensorView Packed(Plan plan) => plan.Steps.Single(s => s.Kernel == nameof(IKernels.Conv2dPack)).Writes[0].View;

    private static float[] RunOn(Plan plan, int seed)
    {
        FillRandom(plan.Input("x"), seed);
        plan.Run();
        return plan.Output("y").Span.ToArray();
    }

    private static void FillRandom(TensorView view, int seed)
    {
        var random = new Random(seed);
        foreach (ref float value in view.Span) value = (float)(2 * random.NextDouble() - 1);
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        int[] bits = new int[values.Length];
        for (int i = 0; i < bits.Length; i++) bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        return bits;
    }
}
