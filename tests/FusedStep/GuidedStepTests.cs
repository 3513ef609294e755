using System.Runtime.Intrinsics.X86;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cases;
using NativeDiffusion.Tests.Noise;
using NUnit.Framework;

namespace NativeDiffusion.Tests.FusedStep;

[TestFixture]
[Covers(nameof(IKernels.GuidedStep))]
public sealed class GuidedStepTests
{
    private static readonly CpuKernels[] Backends = [new(1), new(2), new(7)];

    private static readonly Shape[] Shapes =
    [
        new(1, 1, 1, 1), new(2, 3, 5, 1), new(3, 5, 7, 3), new(4, 4, 4, 4), new(2, 3, 3, 5), new(2, 9, 3, 2), new(2, 33), new(3, 32, 32, 1),
        new(2, 75, 80, 3), new(1, 67, 71, 4), new(1, 129, 131, 1),
        // Enough samples that an item takes several.
        new(37, 31, 29, 1),
    ];

    /// <summary>Every form that a sampler row takes, with coefficients that no sampler would use.</summary>
    private static IEnumerable<(string Name, GuidedStepRow Row)> Rows()
    {
        var plain = new GuidedStepRow { StepIndex = 5, XFromZ = 1.7f, XFromG = -0.6f, A = 0.3f, B = 0.9f };
        var noisy = plain with { C = 0.8f };
        yield return ("last", new GuidedStepRow { XFromZ = 1.7f, XFromG = -0.6f, B = 1 });
        yield return ("plain", plain);
        yield return ("clipped", plain with { Clip = true });
        yield return ("clipped elsewhere", plain with { Clip = true, ClipLow = -0.25f, ClipHigh = 3 });
        yield return ("noisy", noisy);
        yield return ("not rederived", noisy with { Clip = true, E = -0.7f });
        yield return ("two-step", plain with { Clip = true, P = -0.4f, StoreHistory = true, HistoryFromX = 1 });
        yield return ("predictor", plain with { StoreHistory = true, HistoryFromZ = 0.7f, HistoryFromX = -0.7f, StoreState = true });
        yield return ("corrector", noisy with { P = -0.3f, Q = 1 });
        yield return ("three-step", plain with { Clip = true, P = -0.4f, P2 = 0.3f, StoreHistory = true, HistoryFromX = 1, ShiftHistories = 1 });
        yield return ("four-step", noisy with { P = -0.4f, P2 = 0.3f, P3 = -0.6f, StoreHistory = true, HistoryFromX = -1, HistoryFromZ = 0.4f, ShiftHistories = 2 });
        yield return ("all", noisy with
        {
            Clip = true, E = 0.2f, P = 0.3f, Q = -0.5f, StoreHistory = true, HistoryFromZ = 2, HistoryFromX = 3, StoreState = true,
        });
        yield return ("learned", plain with { Clip = true, LearnedVariance = true, LogVarMin = -3, LogVarMax = -1 });
        yield return ("two channels guided", plain with { GuidedChannels = 2, C = 0.5f });
        yield return ("one channel guided, learned", plain with { GuidedChannels = 1, LearnedVariance = true, LogVarMin = -3, LogVarMax = -1 });
        yield return ("renoised by the branch", plain with { F = -0.3f, StoreHistory = true, HistoryFromP1 = 0.4f, HistoryFromZ = 0.2f });
        yield return ("clean sample shifted", noisy with { Clip = true, XFromShift = 0.7f });
        yield return ("clipped after the shift", noisy with { Clip = true, ClipAfterShift = true, XFromShift = 0.7f, ClipLow = -0.5f });
        yield return ("to be clipped after a shift that it has not", plain with { Clip = true, ClipAfterShift = true });
        yield return ("mean shifted", plain with { LearnedVariance = true, LogVarMin = -3, LogVarMax = -1, YFromVariance = 1, YFromShift = 0.1f });
        yield return ("mean shifted without noise", noisy with { YFromVariance = 2, NoNoise = true });
        yield return ("every term", noisy with
        {
            E = 0.2f, F = 0.4f, P = 0.3f, P2 = 0.6f, P3 = -0.2f, Q = -0.5f, ShiftHistories = 2, StoreHistory = true, HistoryFromZ = 2, HistoryFromX = 3, HistoryFromP1 = -1, StoreState = true,
            XFromShift = 0.5f, YFromShift = 0.25f, YFromVariance = -0.5f,
        });
        yield return ("learned, last", plain with { LearnedVariance = true, LogVarMin = -3, LogVarMax = -1, NoNoise = true });
    }

    private static IEnumerable<TestCaseData> Cases =>
        from row in Rows()
        from branches in new[] { 1, 3 }
        from shape in Shapes
        from doubled in new[] { false, true }
        where doubled || !row.Row.LearnedVariance
        where row.Row.GuidedChannels <= shape.Channels
        where branches == 1 || shape.Batch is > 1 and < 10 && shape.RowCount < 4000
        // More than one chunk per sample: once is enough.
        where shape.RowCount < 4000 || row.Name is "all" or "learned"
        where shape.Batch < 10 || row.Name is "two-step" or "noisy"
        select new TestCaseData(row.Row, shape, doubled, branches).SetArgDisplayNames(row.Name, shape.ToString(), doubled ? "2C" : "C", $"K={branches}");

    [TestCaseSource(nameof(Cases))]
    public void Equals_the_oracle_and_its_unfused_composition(GuidedStepRow row, Shape shape, bool doubled, int branches)
    {
        var kernels = Backends[1];
        // Rows with shifts have the sample's limit too, where they do not clip.
        using var fixture = new StepFixture(shape, doubled, branches: branches) { Limits = row.XFromShift != 0 && (!row.Clip || row.ClipLow != -1) };
        fixture.DrawNoise(kernels, row);
        var (expected, sizes) = fixture.Oracle(row);
        bool fuses = Fma.IsSupported || !Sse2.IsSupported;
        float[] unfused = fixture.Unfused(row, fuses ? MathF.FusedMultiplyAdd : (a, b, c) => a * b + c);
        fixture.Run(kernels, row);
        float[] got = fixture.Results;
        for (int i = 0; i < got.Length; i++)
        {
            if (!(Math.Abs(got[i] - expected[i]) <= 5e-7 * sizes[i]))
                Assert.Fail($"Element {i} is {got[i]}, should be {expected[i]} within {5e-7 * sizes[i]:g3}.");
            // The exponential of the learned variance is not the kernel's.
            if (!row.LearnedVariance && BitConverter.SingleToInt32Bits(got[i]) != BitConverter.SingleToInt32Bits(unfused[i]))
                Assert.Fail($"Element {i} is {got[i]:g9}, unfused {unfused[i]:g9}.");
        }
        fixture.AssertGuardsIntact();
    }

    [TestCaseSource(nameof(Cases))]
    public void Bits_do_not_depend_on_threads_batch_aliasing_or_who_draws_the_noise(GuidedStepRow row, Shape shape, bool doubled, int branches)
    {
        using var fixture = new StepFixture(shape, doubled, branches: branches);
        fixture.Run(Backends[0], row);
        float[] expected = fixture.Results, y = fixture.Y.Values;
        foreach (var kernels in Backends.Skip(1))
        {
            using var again = new StepFixture(shape, doubled, branches: branches);
            again.Run(kernels, row);
            Assert.That(Bits(again.Results), Is.EqualTo(Bits(expected)), $"{kernels.Threads} threads");
            using var aliased = new StepFixture(shape, doubled, branches: branches);
            aliased.DrawNoise(kernels, row);
            aliased.Run(kernels, row, inPlace: true, givenNoise: true);
            Assert.That(Bits(aliased.Z.Values), Is.EqualTo(Bits(y)), "in place, with the noise given");
            aliased.AssertGuardsIntact();
        }
        for (int b = 0; b < shape.Batch; b++)
        {
            using var whole = new StepFixture(shape, doubled, branches: branches);
            using var alone = StepFixture.Slice(whole, b);
            alone.Run(Backends[1], row);
            int length = (int)shape.RowCount;
            Assert.That(Bits(alone.Y.Values), Is.EqualTo(Bits(y[(b * length)..((b + 1) * length)])), $"sample {b} alone");
        }
    }

    [Test]
    public void Weight_zero_and_a_missing_branch_give_the_conditional_prediction_to_the_bit()
    {
        var kernels = Backends[1];
        using var fixture = new StepFixture(new Shape(3, 5, 5, 3), false, weights: [1, 0, 1, 8, 1, 0]);
        // Would spoil the result if it were read.
        fixture.Prediction.View.Rows(3, 2).Span.Fill(float.NaN);
        fixture.Run(kernels, new GuidedStepRow { XFromG = 1, B = 1 });
        Assert.That(Bits(fixture.Y.Values), Is.EqualTo(Bits(fixture.Prediction.View.Rows(0, 3).Span.ToArray())));
    }

    [Test]
    public void Guiding_all_channels_by_their_number_has_the_bits_of_guiding_all()
    {
        var row = new GuidedStepRow { XFromG = 1, B = 1, C = 0.5f };
        using StepFixture all = new(new Shape(3, 5, 5, 3), true), number = new(new Shape(3, 5, 5, 3), true);
        all.Run(Backends[1], row);
        number.Run(Backends[1], row with { GuidedChannels = 3 });
        Assert.That(Bits(number.Results), Is.EqualTo(Bits(all.Results)));
        Assert.That(() => number.Run(Backends[1], row with { GuidedChannels = 4 }), Throws.ArgumentException.With.Message.Contains("first 4 of 3 channels"));
    }

    [Test]
    public void A_step_without_prediction_moves_the_state_alone([Values] bool noisy)
    {
        var row = new GuidedStepRow { StepIndex = 4, A = 0.9f, C = noisy ? 0.5f : 0, YFromShift = 0.5f };
        using var fixture = new StepFixture(new Shape(3, 5, 5, 3), false, predicts: false);
        fixture.DrawNoise(Backends[1], row);
        var (expected, sizes) = fixture.Oracle(row);
        fixture.Run(Backends[1], row);
        for (int i = 0; i < fixture.Results.Length; i++) Assert.That(fixture.Results[i], Is.EqualTo(expected[i]).Within(5e-7 * sizes[i]));
        fixture.AssertGuardsIntact();
    }

    [Test]
    public void Histories_with_weight_zero_are_not_read()
    {
        IKernels kernels = Backends[0];
        using var fixture = new StepFixture(new Shape(2, 4, 4, 3), false);
        fixture.H1.View.Span.Fill(float.NaN);
        fixture.State.View.Span.Fill(float.NaN);
        fixture.H2.View.Span.Fill(float.NaN);
        fixture.H3.View.Span.Fill(float.NaN);
        fixture.Run(kernels, new GuidedStepRow { XFromG = 1, B = 1, StoreHistory = true, HistoryFromX = 1, StoreState = true });
        float[] written = [.. fixture.Y.Values, .. fixture.H1.Values, .. fixture.State.Values, .. fixture.Denoised.Values];
        Assert.That(written, Has.None.NaN);
    }

    [Test]
    public void A_NaN_of_the_network_is_not_hidden_by_clipping()
    {
        IKernels kernels = Backends[0];
        using var fixture = new StepFixture(new Shape(1, 4, 4, 3), false);
        fixture.Prediction.View.Span[0] = float.NaN;
        fixture.Prediction.View.Span[47] = float.NaN;
        fixture.Run(kernels, new GuidedStepRow { XFromZ = 1, XFromG = 1, B = 1, Clip = true });
        Assert.That(fixture.Y.Values.Select(float.IsNaN), Is.EqualTo(Enumerable.Range(0, 48).Select(i => i is 0 or 47)));
    }

    [Test]
    public void What_the_row_needs_and_the_call_lacks_is_named()
    {
        IKernels kernels = Backends[0];
        using var fixture = new StepFixture(new Shape(2, 4, 4, 3), false);
        Assert.That(() => fixture.Run(kernels, new GuidedStepRow { LearnedVariance = true }), Throws.ArgumentException.With.Message.Contains("variance"));
        Assert.That(
            () => kernels.GuidedStep(new() { P = 1 }, 1, new() { Prediction = fixture.Prediction, Z = fixture.Z }),
            Throws.ArgumentException.With.Message.Contains("history"));
        Assert.That(() => kernels.GuidedStep(new() { P2 = 1 }, 1, new() { Prediction = fixture.Prediction, Z = fixture.Z }), Throws.ArgumentException.With.Message.Contains("older history"));
        Assert.That(
            () => kernels.GuidedStep(new() { ShiftHistories = 2 }, 1, new() { Prediction = fixture.Prediction, Z = fixture.Z, History = fixture.H1, History2 = fixture.H2 }),
            Throws.ArgumentException.With.Message.Contains("older history"));
        Assert.That(() => fixture.Run(kernels, new GuidedStepRow { ShiftHistories = 3 }), Throws.ArgumentException.With.Message.Contains("got 3"));
        Assert.That(() => kernels.GuidedStep(new() { XFromShift = 1 }, 1, new() { Prediction = fixture.Prediction, Z = fixture.Z }), Throws.ArgumentException.With.Message.Contains("shifts"));
        Assert.That(() => kernels.GuidedStep(new() { XFromG = 1 }, 1, new() { Z = fixture.Z }), Throws.ArgumentException.With.Message.Contains("prediction that was not given"));
        Assert.That(
            () => kernels.GuidedStep(new(), 1, new() { Prediction = fixture.Prediction, Z = fixture.Z, BranchRow = fixture.BranchRow, Weight = fixture.BranchRow }),
            Throws.ArgumentException.With.Message.Contains("one weight more"));
        fixture.BranchRow.View.Span[1] = BitConverter.Int32BitsToSingle(3);
        Assert.That(() => fixture.Run(kernels, new GuidedStepRow()), Throws.ArgumentException.With.Message.Contains("Branch 1 of sample 1 has row 3"));
    }

    [Test]
    public void A_plan_steps_its_bound_states_in_place_and_allocates_nothing()
    {
        var kernels = Backends[1];
        using StepFixture direct = new(new Shape(3, 5, 7, 3), true), planned = new(new Shape(3, 5, 7, 3), true);
        var row = new GuidedStepRow
        {
            StepIndex = 3, XFromG = 0.5f, A = 0.5f, B = 0.25f, P = 1, LearnedVariance = true, StoreHistory = true, HistoryFromX = 1, Clip = true,
        };
        var builder = new PlanBuilder(kernels);
        Tensor Bind(string name, GuardedTensor tensor) => builder.Bind(name, tensor);
        builder.GuidedStep(
            new(row), new(StepFixture.Seed), Bind("z", planned.Z), Bind("sampleIndex", planned.SampleIndex), Bind("prediction", planned.Prediction),
            Bind("weight", planned.Weight), Bind("branchRow", planned.BranchRow), history: Bind("h1", planned.H1), denoised: Bind("denoised", planned.Denoised));
        using var plan = builder.Build();
        plan.Run();
        direct.Run(kernels, row);
        Assert.That(planned.Z.Values, Is.EqualTo(direct.Y.Values));
        Assert.That(planned.H1.Values, Is.EqualTo(direct.H1.Values));
        Assert.That(planned.Denoised.Values, Is.EqualTo(direct.Denoised.Values));
        long before = GC.GetAllocatedBytesForCurrentThread();
        plan.Run();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Tensor z = builder.Bind("z", planned.Z), index = builder.Bind("index", direct.SampleIndex), weight = builder.Bind("weight", direct.Weight);
        Assert.That(() => new PlanBuilder(kernels).GuidedStep(new(row), new(1), z, index, weight), Throws.ArgumentException);
        Assert.That(() => new PlanBuilder(kernels).GuidedStep(new(row), new(1), z, index, weight: weight, branchRow: weight), Throws.ArgumentException);
    }

    private static IEnumerable<TestCaseData> Tables
    {
        get
        {
            var schedule = new ContinuousSchedule();
            foreach (var (levels, name) in new[] { (schedule.Levels([1, 0.7, 0.5, 0.2, 0]), "from -20 to 20"), (schedule.Levels([1, 0]), "in one leap") })
                foreach (var type in new Parameterization[] { PredictionType.Eps, PredictionType.V })
                    foreach (bool clip in new[] { true, false })
                        foreach (var table in new[]
                        {
                            Samplers.Algorithm2(levels, type, 0.3, clip), Samplers.Ddim(levels, type, 0.5, clip), Samplers.DpmSolver2M(levels, type, clip),
                            Samplers.EulerAncestral(levels, type, 1, clip),
                        })
                            yield return new TestCaseData(table).SetArgDisplayNames(table.Name, type.ToString(), name, clip ? "clipped" : "");
        }
    }

    [TestCaseSource(nameof(Tables))]
    public void Whole_samplers_from_log_SNR_minus_20_to_20_stay_with_the_oracle(SamplerTable table)
    {
        var kernels = Backends[1];
        using var fixture = new StepFixture(new Shape(2, 5, 7, 3), false);
        foreach (ref float z in fixture.Z.View.Span) z *= (float)table.InitialScale;
        fixture.H1.View.Span.Fill(float.NaN);
        fixture.State.View.Span.Fill(float.NaN);
        fixture.H2.View.Span.Fill(float.NaN);
        fixture.H3.View.Span.Fill(float.NaN);
        foreach (var row in table.Rows)
        {
            var rounded = row.ToKernelRow();
            var (expected, sizes) = fixture.Oracle(rounded);
            fixture.Run(kernels, rounded);
            for (int i = 0; i < fixture.Z.View.Count; i++)
                if (!(Math.Abs(fixture.Y.View.Span[i] - expected[i]) <= 5e-7 * sizes[i]))
                    Assert.Fail($"Step {row.StepIndex}: element {i} is {fixture.Y.View.Span[i]}, should be {expected[i]} within {5e-7 * sizes[i]:g3}.");
            fixture.Y.View.Span.CopyTo(fixture.Z.View.Span);
        }
    }

    private static int[] Bits(float[] values) => [.. values.Select(BitConverter.SingleToInt32Bits)];
}
