using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Element-wise and channel ops on a device, against the CPU, where tensors do not begin on 128 bits or end within a thread's four elements.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class ElementGpuTests(string device)
{
    private readonly BothBackends _backends = new(device);

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    [OneTimeTearDown]
    public void Close() => _backends.Dispose();

    [Test]
    public void Element_wise_ops_agree_with_the_cpu([Values(1, 4, 7, 1027)] int count, [Values(4, 5)] int offset, [Values] bool accumulate)
    {
        var shape = new Shape(count);
        BothBackends.Input[] inputs = [_backends.Values(shape, 5), _backends.Values(shape), _backends.Values(shape)];
        void Agree(string what, double tolerance, Action<IKernels, TensorView[]> act) => _backends.AssertAgree(what, inputs, offset, tolerance, act);
        Agree("SiLU", 2e-6, (k, t) => k.SiluForward(t[0], t[0]));
        Agree("SiLU backward", 2e-6, (k, t) => k.SiluBackward(t[0], t[1], t[2], accumulate));
        Agree("GELU", 2e-6, (k, t) => k.GeluForward(t[0], t[1]));
        Agree("GELU backward", 2e-6, (k, t) => k.GeluBackward(t[0], t[1], t[2], accumulate));
        Agree("ReLU", 0, (k, t) => k.ReluForward(t[0], t[1]));
        Agree("ReLU backward", 0, (k, t) => k.ReluBackward(t[0], t[1], t[2], accumulate));
        Agree("softplus", 2e-6, (k, t) => k.SoftplusForward(t[0], 1.5f, t[1]));
        Agree("softplus backward", 2e-6, (k, t) => k.SoftplusBackward(t[0], 1.5f, t[1], t[2], accumulate));
        Agree("scale", 1e-6, (k, t) => k.Scale(t[0], 2.5f, t[1], accumulate));
        Agree("add", 0, (k, t) => k.Add(t[0], t[1], t[2]));
        Agree("accumulate", 0, (k, t) => k.Accumulate(t[0], t[1]));
        Agree("copy", 0, (k, t) => k.Copy(t[0], t[1]));
        Agree("fill", 0, (k, t) => k.Fill(t[1], 3.25f));
    }

    [Test]
    public void What_is_not_finite_stays_so()
    {
        var input = new BothBackends.Input(new Shape(5), [float.NaN, float.PositiveInfinity, 1e30f, -1e30f, 0]);
        _backends.AssertAgree("SiLU", [input], 0, 1e-6, (k, t) => k.SiluForward(t[0], t[0]));
        _backends.AssertAgree("ReLU", [input], 0, 0, (k, t) => k.ReluForward(t[0], t[0]));
        _backends.AssertAgree("softplus", [input], 0, 1e-6, (k, t) => k.SoftplusForward(t[0], 1, t[0]));
    }

    [Test]
    public void Channel_ops_agree_with_the_cpu([Values(1, 3, 4, 8)] int left, [Values(3, 8)] int right, [Values(4, 6)] int offset, [Values] bool accumulate)
    {
        Shape a = new(2, 3, 5, left), b = new(2, 3, 5, right), both = new(2, 3, 5, left + right), large = new(2, 6, 10, left);
        var (x, y, z, w) = (_backends.Values(a), _backends.Values(b), _backends.Values(both), _backends.Values(large));
        _backends.AssertAgree("concat", [x, y, z], offset, 0, (k, t) => k.ConcatForward(t[0], t[1], t[2]));
        _backends.AssertAgree("concat backward", [z, x, y], offset, 0, (k, t) => k.ConcatBackward(t[0], t[1], accumulate, t[2], !accumulate));
        if (left == right) _backends.AssertAgree("concat of one", [z, x], offset, 0, (k, t) => k.ConcatBackward(t[0], t[1], accumulate, t[1], true));
        _backends.AssertAgree("slice", [z, x], offset, 0, (k, t) => k.SliceForward(t[0], right, t[1]));
        _backends.AssertAgree("slice backward", [x, z], offset, 0, (k, t) => k.SliceBackward(t[0], right, t[1], accumulate));
        _backends.AssertAgree("upsample", [x, w], offset, 0, (k, t) => k.UpsampleNearest2xForward(t[0], t[1]));
        _backends.AssertAgree("upsample backward", [w, x], offset, 1e-6, (k, t) => k.UpsampleNearest2xBackward(t[0], t[1], accumulate));
        _backends.AssertAgree("pool", [w, x], offset, 1e-6, (k, t) => k.AveragePool2xForward(t[0], t[1]));
        _backends.AssertAgree("pool backward", [x, w], offset, 1e-6, (k, t) => k.AveragePool2xBackward(t[0], t[1], accumulate));
    }

    [Test]
    public void Maxima_agree_with_the_cpu_also_where_elements_are_equal([Values(1, 4, 7)] int channels, [Values(4, 5)] int offset, [Values] bool accumulate)
    {
        Shape image = new(2, 5, 6, channels), pooled = new(2, 3, 3, channels);
        var coarse = _backends.Values(image) with { Data = [.. _backends.Values(image).Data.Select(v => MathF.Round(v))] };
        _backends.AssertAgree("maximum", [coarse, _backends.Values(pooled), _backends.Values(pooled), _backends.Values(pooled), _backends.Values(image)], offset, 0,
            (k, t) =>
            {
                k.MaxPool3x3Forward(t[0], 2, 1, t[1], t[2]);
                k.MaxPool3x3Backward(t[3], t[2], 2, 1, t[4], accumulate);
            });
    }
}
