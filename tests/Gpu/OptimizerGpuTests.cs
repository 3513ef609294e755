using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The optimizer's kernels on a device, against the CPU.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class OptimizerGpuTests(string device)
{
    private readonly BothBackends _backends = new(device);

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    [OneTimeTearDown]
    public void Close() => _backends.Dispose();

    [Test]
    public void Norms_agree_with_the_cpu([Values(1, 255, 4097, 70_001)] int count, [Values(0, 3)] int offset) => _backends.AssertAgree(
        "norm", [_backends.Values(new Shape(count)), _backends.Values(new Shape(1))], offset, 1e-6, (k, t) => k.GlobalNorm(t[0], t[1]));

    [Test]
    public void Steps_agree_with_the_cpu([Values(1, 7, 1027)] int count, [Values(0, 5)] int offset, [Values] bool clip, [Values] bool average)
    {
        var shape = new Shape(count);
        var moment = _backends.Values(shape);
        BothBackends.Input[] inputs =
        [
            _backends.Values(shape), clip ? new(new Shape(1), [1.7f]) : BothBackends.Input.None, _backends.Values(shape), moment,
            new(shape, [.. moment.Data.Select(v => v * v)]), average ? _backends.Values(shape) : BothBackends.Input.None,
        ];
        var step = new AdamWStep { Step = 3, LearningRate = 1e-2, WeightDecay = 0.1, ClipNorm = clip ? 0.5 : 0, AverageDecay = 0.99 };
        _backends.AssertAgree("AdamW", inputs, offset, 1e-6, (k, t) => k.AdamW(step, t[0], t[1], t[2], t[3], t[4], t[5]));
    }

    [Test]
    public void A_step_with_a_gradient_that_is_not_finite_changes_nothing([Values(float.NaN, float.PositiveInfinity)] float norm)
    {
        var shape = new Shape(9);
        BothBackends.Input[] inputs =
            [_backends.Values(shape), new(new Shape(1), [norm]), _backends.Values(shape), _backends.Values(shape), _backends.Values(shape), _backends.Values(shape)];
        float[][] after = BothBackends.Run(_backends.Device, inputs, 0, (k, t) => k.AdamW(new AdamWStep { Step = 1, LearningRate = 1 }, t[0], t[1], t[2], t[3], t[4], t[5]));
        foreach (int tensor in new[] { 2, 3, 4, 5 }) Assert.That(after[tensor].Take(9), Is.EqualTo(inputs[tensor].Data));
    }

    [Test]
    public void A_row_whose_sum_is_no_number_is_at_most_any_bound()
    {
        BothBackends.Input[] inputs = [new(new Shape(3, 2), [1, float.NaN, 3, 4, 0.5f, 0]), new(new Shape(3, 2), [1, 1, 1, 1, 1, 1]), new(new Shape(3), [9, 9, 9])];
        _backends.AssertAgree("rows", inputs, 0, 0, (k, t) => k.RowsAtMost(t[0], t[1], 1, t[2]));
        float[] rows = BothBackends.Run(_backends.Device, inputs, 0, (k, t) => k.RowsAtMost(t[0], t[1], 1, t[2]))[2];
        Assert.That(rows.Take(3).Select(BitConverter.SingleToInt32Bits), Is.EqualTo(new[] { 1, 0, 1 }));
    }

    [Test]
    public void Averages_agree_with_the_cpu([Values(1, 7, 1027)] int count, [Values(0, 5)] int offset)
    {
        var shape = new Shape(count);
        _backends.AssertAgree("average", [_backends.Values(shape), _backends.Values(shape)], offset, 1e-6, (k, t) => k.EmaUpdate(t[0], 0.9, t[1]));
    }
}
