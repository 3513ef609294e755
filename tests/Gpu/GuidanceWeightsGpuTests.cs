using NativeDiffusion.Kernels;
using NUnit.Framework;
using static NativeDiffusion.Tests.Gpu.BothBackends;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Corrected weights of samples with and without branches on a device, against the CPU.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class GuidanceWeightsGpuTests(string device)
{
    private readonly BothBackends _backends = new(device);

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    [OneTimeTearDown]
    public void Close() => _backends.Dispose();

    [Test]
    public void Absent_branches_are_left_out_as_on_the_cpu([Values] GuidanceWeightsKind kind, [Values(0f, 0.6f)] float rescale)
    {
        var options = new GuidanceWeightsOptions { Kind = kind, Alpha = 1, Eta = 0.2f, Threshold = 4, Rescale = rescale };
        // Of four samples: both branches; the second alone; none; a zero step.
        Input[] inputs =
        [
            _backends.Values(new(9, 4, 4, 3)), Indices(4, 5, -1, 6, -1, -1, 7, 8) with { Shape = new(4, 2) },
            new(new(4, 3), [1, 3, 2, 1, 0, 1.5f, 1, 0, 0, 0, 0, 0]),
        ];
        _backends.AssertAgree($"{kind}", inputs, 4, 1e-5, (k, t) => k.GuidanceWeights(options, t[0], t[1], 3, t[2]));
    }

    [Test]
    public void A_row_out_of_range_makes_its_sample_nan()
    {
        float[] w = Run(
            _backends.Device, [_backends.Values(new(4, 12)), Indices(2, 9) with { Shape = new(2, 1) }, new(new(2, 2), [1, 3, 1, 3])], 0,
            (k, t) => k.GuidanceWeights(new() { Rescale = 1 }, t[0], t[1], 12, t[2]))[2];
        Assert.That(w[..2], Has.None.NaN);
        Assert.That(w[2], Is.NaN);
    }
}
