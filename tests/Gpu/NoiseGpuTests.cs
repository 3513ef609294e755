using NativeDiffusion.Kernels;
using NUnit.Framework;
using static NativeDiffusion.Tests.Gpu.BothBackends;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Random numbers on a device, against the CPU.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class NoiseGpuTests(string device)
{
    private const ulong Seed = 0xfeedbeefcafe1234;
    private static readonly Shape[] Shapes = [new(3, 4, 4, 3), new(2, 5, 5, 1), new(1, 7), new(2, 2600), new(3, 4)];

    private readonly BothBackends _backends = new(device);

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    [OneTimeTearDown]
    public void Close() => _backends.Dispose();

    [TestCaseSource(nameof(Shapes))]
    public void Normal_noise_is_that_of_the_cpu(Shape shape)
    {
        foreach (int offset in new[] { 4, 5 })
            _backends.AssertAgree("noise", [Samples(shape), _backends.Values(shape)], offset, 2e-6, (k, t) => k.NormalNoise(Seed, 7, RandomStream.InitialNoise, 0.5f, t[0], t[1]));
    }

    [TestCaseSource(nameof(Shapes))]
    public void Noise_is_added_as_on_the_cpu(Shape shape)
    {
        var rows = new Shape(shape.Batch);
        foreach (int offset in new[] { 4, 5 })
        {
            Input[] inputs = [_backends.Values(shape), _backends.Values(rows), _backends.Values(rows), Samples(shape), _backends.Values(shape), _backends.Values(shape)];
            _backends.AssertAgree("given", inputs, offset, 1e-6, (k, t) => k.AddNoise(t[0], t[1], t[2], t[4], t[5]));
            _backends.AssertAgree("in place", inputs, offset, 4e-6, (k, t) => k.AddNoise(t[0], t[1], t[2], t[3], Seed, 3, PredictionTarget.V, t[0], default));
            foreach (var prediction in Enum.GetValues<PredictionTarget>())
                _backends.AssertAgree($"{prediction}", inputs, offset, 4e-6, (k, t) => k.AddNoise(t[0], t[1], t[2], t[3], Seed, 3, prediction, t[4], t[5]));
        }
    }

    [TestCaseSource(nameof(Shapes))]
    public void Dropout_masks_are_those_of_the_cpu_to_the_bit(Shape shape)
    {
        foreach (int offset in new[] { 4, 5 })
        {
            Input[] inputs = [_backends.Values(shape), Samples(shape), _backends.Values(shape)];
            foreach (bool accumulate in new[] { false, true })
                _backends.AssertAgree("backward", inputs, offset, 0, (k, t) => k.DropoutBackward(t[0], 0.3f, Seed, 9, 5, t[1], t[2], accumulate));
            _backends.AssertAgree("forward, in place", inputs, offset, 0, (k, t) => k.DropoutForward(t[0], 0.5f, Seed, 9, 5, t[1], t[0]));
        }
    }

    [Test]
    public void A_gathered_row_out_of_range_is_nan()
    {
        float[] y = Run(
            _backends.Device, [_backends.Values(new(2, 5)), Indices(1, 2, -1, 0), _backends.Values(new(4, 5))], 0, (k, t) => k.GatherRows(t[0], t[1], t[2]))[2];
        Assert.That(y[5..15], Has.All.NaN);
        Assert.That(y[..5].Concat(y[15..20]), Has.None.NaN);
    }

    [Test]
    public void A_gathered_row_out_of_range_has_no_part_in_a_gradient()
    {
        float[] dx = Run(
            _backends.Device, [_backends.Values(new(4, 5)), Indices(1, 2, -1, 1), _backends.Values(new(2, 5))], 0,
            (k, t) => k.GatherRowsBackward(t[0], t[1], t[2], false))[2];
        Assert.That(dx[..5], Has.All.Zero);
        Assert.That(dx[5..], Has.None.NaN);
    }

    private static Input Samples(Shape shape) => Indices([.. Enumerable.Range(0, shape.Batch).Select(i => 3 + 7 * i)]);
}
