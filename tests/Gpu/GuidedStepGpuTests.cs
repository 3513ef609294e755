using NativeDiffusion.Kernels;
using NUnit.Framework;
using static NativeDiffusion.Tests.Gpu.BothBackends;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The guided step on a device, against the CPU: every term, alone and together.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class GuidedStepGpuTests(string device)
{
    private const ulong Seed = 0xabcdef12345;
    private static readonly Shape[] Shapes =
        [new(3, 4, 4, 3), new(3, 5, 5, 1), new(3, 3, 3, 2), new(3, 2, 3, 4), new(3, 3, 5, 7), new(3, 2, 2, 64), new(3, 16, 16, 3)];

    private static readonly GuidedStepRow Plain = new() { StepIndex = 3, XFromZ = 1.1f, XFromG = -0.4f, A = 0.3f, B = 0.6f };

    private static readonly (string Name, GuidedStepRow Row)[] Rows =
    [
        ("deterministic", Plain with { Clip = true }),
        ("noise", Plain with { C = 0.7f, Clip = true, ClipLow = -0.5f }),
        ("learned variance", Plain with { LearnedVariance = true, LogVarMin = -4, LogVarMax = -2 }),
        ("learned variance without noise", Plain with { LearnedVariance = true, LogVarMin = -4, LogVarMax = -2, NoNoise = true }),
        ("history", Plain with { P = -0.5f, StoreHistory = true, HistoryFromX = 0.9f, HistoryFromZ = 0.1f }),
        ("all terms", Plain with
        {
            C = 0.2f, E = 0.2f, P = -0.5f, Q = 0.25f, StoreHistory = true, HistoryFromX = 0.9f, HistoryFromZ = 0.1f, StoreState = true, Clip = true,
        }),
        ("older histories", Plain with
        {
            C = 0.2f, P = -0.5f, P2 = 0.25f, P3 = 0.75f, Q = 0.3f, StoreHistory = true, HistoryFromX = 0.9f, HistoryFromZ = 0.1f, StoreState = true, ShiftHistories = 2,
        }),
        ("two histories", Plain with { P = -0.5f, P2 = 0.25f, StoreHistory = true, HistoryFromX = 1, ShiftHistories = 1 }),
        ("clean sample shifted", Plain with { C = 0.7f, Clip = true, XFromShift = 0.8f }),
        ("clipped after the shift", Plain with { C = 0.7f, Clip = true, ClipAfterShift = true, XFromShift = 0.8f, ClipLow = -0.5f }),
        ("mean shifted", Plain with { LearnedVariance = true, LogVarMin = -4, LogVarMax = -2, YFromVariance = 1, YFromShift = 0.3f }),
        ("one channel guided", Plain with { GuidedChannels = 1, C = 0.7f }),
        ("two channels guided", Plain with { GuidedChannels = 2, LearnedVariance = true, LogVarMin = -4, LogVarMax = -2 }),
    ];

    private readonly BothBackends _backends = new(device);

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    public static IEnumerable<TestCaseData> Cases =>
        from shape in Shapes
        from row in Rows
        where row.Row.GuidedChannels <= shape.Channels
        select new TestCaseData(shape, row.Row).SetArgDisplayNames(shape.ToString(), row.Name);

    [OneTimeTearDown]
    public void Close() => _backends.Dispose();

    [TestCaseSource(nameof(Cases))]
    public void Agrees_with_the_cpu(Shape shape, GuidedStepRow row)
    {
        foreach (int offset in new[] { 4, 5 })
            foreach (bool given in new[] { false, true })
                foreach (bool apart in new[] { false, true })
                {
                    bool doubled = row.LearnedVariance || apart;
                    Input[] inputs = Inputs(shape, doubled ? 2 * shape.Channels : shape.Channels);
                    if (!given) inputs[4] = Input.None;
                    if (!apart) inputs[8] = inputs[9] = Input.None;
                    string what = $"{(given ? "given" : "drawn")} noise, {(apart ? "own" : "same")} output";
                    _backends.AssertAgree(what, inputs, offset, 4e-6, (k, t) => k.GuidedStep(row, Seed, Tensors(t)));
                }
    }

    [Test]
    public void Rows_without_null_rows_and_a_nan_agree_with_the_cpu()
    {
        Input[] inputs = Inputs(Shapes[0], 3);
        inputs[0].Data[5] = float.NaN;
        _backends.AssertAgree("a NaN", inputs, 4, 4e-6, (k, t) => k.GuidedStep(Rows[0].Row, Seed, Tensors(t)));
        inputs[1] = inputs[2] = Input.None;
        _backends.AssertAgree("no null rows", inputs, 4, 4e-6, (k, t) => k.GuidedStep(Rows[1].Row, Seed, Tensors(t)));
    }

    [Test]
    public void A_null_row_out_of_range_makes_its_sample_nan_and_no_other()
    {
        Input[] inputs = Inputs(Shapes[0], 3);
        inputs[2] = new(new Shape(3, 1), Indices(3, 5, 4).Data);
        float[] z = Run(_backends.Device, inputs, 0, (k, t) => k.GuidedStep(Plain, Seed, Tensors(t) with { Y = default }))[5];
        int row = (int)Shapes[0].RowCount;
        Assert.That(z[row..(2 * row)], Has.All.NaN);
        Assert.That(z.Take(row).Concat(z.Skip(2 * row)), Has.None.NaN);
    }

    [Test]
    public void A_row_that_needs_what_is_missing_is_refused()
    {
        Input[] inputs = Inputs(Shapes[0], 3);
        Assert.That(
            () => Run(_backends.Device, inputs, 0, (k, t) => k.GuidedStep(Rows[2].Row, Seed, Tensors(t))), Throws.ArgumentException.With.Message.Contains("variance"));
        Assert.That(
            () => Run(_backends.Device, inputs, 0, (k, t) => k.GuidedStep(Rows[4].Row, Seed, Tensors(t) with { History = default })),
            Throws.ArgumentException.With.Message.Contains("history"));
    }

    /// <summary>Three samples: one with a branch of weight 0, which is not read, one with another scale, one without a null row.</summary>
    private Input[] Inputs(Shape shape, int predictedChannels) =>
    [
        _backends.Values(shape.WithChannels(predictedChannels).WithBatch(5)), new(new Shape(3, 2), [1, 0, 1, 2.5f, 1, 6.5f]), new(new Shape(3, 1), Indices(3, 4, -1).Data), Indices(5, 2, 900),
        _backends.Values(shape), _backends.Values(shape), _backends.Values(shape), _backends.Values(shape), _backends.Values(shape), _backends.Values(shape),
        _backends.Values(shape), _backends.Values(shape), _backends.Values(shape),
    ];

    private static GuidedStepTensors Tensors(TensorView[] t) => new()
    {
        Prediction = t[0], Weight = t[1], BranchRow = t[2], SampleIndex = t[3], Noise = t[4], Z = t[5], History = t[6], State = t[7], Denoised = t[8], Y = t[9], History2 = t[10], History3 = t[11], Shift = t[12],
    };
}
