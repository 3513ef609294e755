using NativeDiffusion.Kernels;
using NUnit.Framework;
using Input = NativeDiffusion.Tests.Gpu.BothBackends.Input;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Products in TF32 and bfloat16, on tensor cores and without: they must be the products of rounded factors, summed in float32.</summary>
[TestFixtureSource(nameof(Fixtures))]
public sealed class MatrixArithmeticGpuTests(string device, MatrixArithmetic arithmetic, bool portable)
{
    private readonly CpuKernels _cpu = new(1);
    private readonly Random _random = new(11);
    private IKernels _device = null!;

    public static IEnumerable<object[]> Fixtures =>
        from device in GpuUnderTest.Devices
        from arithmetic in new[] { MatrixArithmetic.Tf32, MatrixArithmetic.Bf16 }
        from portable in new[] { false, true }
        select new object[] { device, arithmetic, portable };

    private int Bits => arithmetic == MatrixArithmetic.Tf32 ? 11 : 8;

    [OneTimeSetUp]
    public void Open() => _device = GpuUnderTest.Open(device, arithmetic, portable);

    [SetUp]
    public void Select() => DeviceSelection.SkipMost(device);

    [OneTimeTearDown]
    public void Close()
    {
        _device?.Dispose();
        _cpu.Dispose();
    }

    [TestCase(1, 1, 1, 0)]
    [TestCase(5, 7, 13, 0)]
    [TestCase(130, 70, 33, 1)]
    [TestCase(200, 96, 80, 0)]
    [TestCase(64, 132, 128, 0)]
    public void Linear_layers_multiply_rounded_factors(int rows, int outputs, int inputs, int offset) => AssertMultipliesRounded(
        [Values(rows, inputs), Values(outputs, inputs), Values(rows, outputs)], [Values(outputs), Values(rows, outputs), Values(rows, inputs), Values(outputs, inputs)], offset,
        (kernels, t) =>
        {
            kernels.LinearForward(t[0], t[1], t[3], t[4]);
            kernels.LinearInputGrad(t[2], t[1], t[5], accumulate: true);
            kernels.LinearWeightGrad(t[0], t[2], t[6], accumulate: false);
        });

    [TestCase(2, 5, 7, 3, 5, 3, 1, 1, 0)]
    [TestCase(1, 9, 8, 16, 68, 3, 2, 1, 0)]
    [TestCase(3, 4, 4, 8, 4, 1, 1, 0, 1)]
    [TestCase(2, 20, 20, 4, 8, 3, 1, 1, 0)]
    public void Convolutions_multiply_rounded_factors(int batch, int height, int width, int channels, int outputs, int kernel, int stride, int padding, int offset)
    {
        var shape = new Conv2dShape(batch, height, width, channels, outputs, kernel, kernel, stride, padding);
        var y = new Shape(batch, shape.OutHeight, shape.OutWidth, outputs);
        Input x = Values(batch, height, width, channels), weight = Values(outputs, kernel, kernel, channels);
        AssertMultipliesRounded([x, weight, Values(y)], [Values(outputs), Values(y), Values(x.Shape), Values(weight.Shape)], offset, (kernels, t) =>
        {
            var input = new Conv2dInput { X = t[0] };
            kernels.Conv2dForward(shape, input, Packed(kernels, shape, Conv2dPass.Forward, t[1]), new Conv2dEpilogue { Bias = t[3] }, t[4]);
            kernels.Conv2dInputGrad(shape, t[2], Packed(kernels, shape, Conv2dPass.InputGrad, t[1]), t[5], accumulate: true);
            long length = kernels.Conv2dWeightGradWorkspace(shape);
            kernels.Conv2dWeightGrad(shape, input, t[2], length == 0 ? default : Block(kernels, length), t[6], accumulate: false);
        });
    }

    [Test]
    public void The_error_keeps_to_the_documented_bound_and_is_that_of_the_format([Values(64, 600)] int depth)
    {
        const int Rows = 9, Columns = 11;
        Input x = Values(Rows, depth), weight = Values(Columns, depth);
        float[] y = Multiply(x, weight, Rows, Columns);
        double unit = Math.Pow(2, -Bits), worst = 0;
        for (int m = 0; m < Rows; m++)
            for (int n = 0; n < Columns; n++)
            {
                double exact = 0, absolute = 0;
                for (int k = 0; k < depth; k++)
                {
                    double product = (double)x.Data[m * depth + k] * weight.Data[n * depth + k];
                    exact += product;
                    absolute += Math.Abs(product);
                }
                worst = Math.Max(worst, Math.Abs(y[m * Columns + n] - exact) / absolute);
            }
        Assert.That(worst, Is.LessThan(2 * unit + unit * unit + depth * 1e-7).And.GreaterThan(0.02 * unit));
    }

    [TestCase(64), TestCase(576), TestCase(1152), TestCase(2304), TestCase(4608), Explicit("For the table of docs/gpu.md.")]
    public void Error_of_normal_factors(int depth)
    {
        const int Side = 64;
        float Normal() => (float)(Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()));
        Input x = new(new Shape(Side, depth), [.. Enumerable.Range(0, Side * depth).Select(_ => Normal())]);
        Input weight = new(x.Shape, [.. Enumerable.Range(0, Side * depth).Select(_ => Normal())]);
        double[] exact = new double[Side * Side];
        for (int i = 0; i < exact.Length; i++)
            for (int k = 0; k < depth; k++) exact[i] += (double)x.Data[i / Side * depth + k] * weight.Data[i % Side * depth + k];
        double size = Math.Sqrt(exact.Average(e => e * e));
        using var ieee = GpuUnderTest.Open(device);
        foreach (var opened in new[] { ieee, _device })
        {
            float[] y = BothBackends.Run(opened, [x, weight, Values(Side, Side)], 0, (kernels, t) => kernels.LinearForward(t[0], t[1], default, t[2]))[2];
            double[] errors = [.. exact.Select((e, i) => Math.Abs(y[i] - e) / size)];
            TestContext.Out.WriteLine($"K {depth} {opened.DeviceName}: root mean square {Math.Sqrt(errors.Average(e => e * e)):g2}, largest {errors.Max():g2}");
        }
    }

    [Test]
    public void Factors_are_rounded_to_the_nearest_ties_to_even()
    {
        float step = MathF.Pow(2, 1 - Bits);
        float[] values =
        [
            0, -0f, 1, 1 + step, 1 + step / 2, 1 + 1.5f * step, 1 + 0.51f * step, -1 - 0.49f * step, 1 - step / 8, 3.14159274f, 1e30f, -1e-30f,
            float.MaxValue, float.MinValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN, BitConverter.Int32BitsToSingle(0x7FFFFFFF),
            BitConverter.Int32BitsToSingle(0x7F800001),
        ];
        float[] y = Multiply(new Input(new Shape(values.Length, 1), values), new Input(new Shape(1, 1), [1]), values.Length, 1);
        float[] expected = [.. values.Select(v => Rounded(v) + 0)];
        Assert.That(y, Is.EqualTo(expected));
        Assert.That(y[4..6], Is.EqualTo(new[] { 1, 1 + 2 * step }), "ties");
        Assert.That(y[12], Is.EqualTo(float.PositiveInfinity));
    }

    [Test]
    public void A_row_is_the_same_to_the_bit_in_any_batch()
    {
        const int Rows = 140, Columns = 70, Depth = 75;
        Input x = Values(Rows, Depth), weight = Values(Columns, Depth);
        float[] all = Multiply(x, weight, Rows, Columns);
        foreach (int row in new[] { 0, 7, 66, 139 })
        {
            float[] alone = Multiply(new Input(new Shape(1, Depth), x.Data[(row * Depth)..((row + 1) * Depth)]), weight, 1, Columns);
            Assert.That(alone, Is.EqualTo(all[(row * Columns)..((row + 1) * Columns)]), $"row {row}");
        }
    }

    private static TensorView Packed(IKernels kernels, in Conv2dShape shape, Conv2dPass pass, TensorView weight)
    {
        long length = kernels.Conv2dPackedLength(shape, pass);
        if (length == 0) return weight;
        var packed = Block(kernels, length);
        kernels.Conv2dPack(shape, pass, weight, packed);
        return packed;
    }

    private static TensorView Block(IKernels kernels, long length) => new(kernels.Allocate(length), 0, new Shape(checked((int)length)));

    private float[] Multiply(Input x, Input weight, int rows, int columns) =>
        BothBackends.Run(_device, [x, weight, Values(rows, columns)], 0, (kernels, t) => kernels.LinearForward(t[0], t[1], default, t[2]))[2][..(rows * columns)];

    /// <summary>The CPU with factors that were rounded before must agree with the device, which rounds them itself.</summary>
    private void AssertMultipliesRounded(Input[] factors, Input[] others, int offset, Action<IKernels, TensorView[]> act)
    {
        Input[] rounded = [.. factors.Select(f => f with { Data = [.. f.Data.Select(Rounded)] })];
        float[][] expected = BothBackends.Run(_cpu, [.. rounded, .. others], offset, act), got = BothBackends.Run(_device, [.. factors, .. others], offset, act);
        for (int t = factors.Length; t < got.Length; t++)
        {
            double bound = 1e-5 * (1 + expected[t].Skip(offset).SkipLast(8).Max(MathF.Abs));
            for (int i = 0; i < got[t].Length; i++)
                if (!(Math.Abs((double)got[t][i] - expected[t][i]) <= bound))
                    Assert.Fail($"Tensor {t}, element {i - offset} is {got[t][i]:g9} on the device, should be {expected[t][i]:g9} within {bound:g3}.");
        }
    }

    private Input Values(params ReadOnlySpan<int> extents) => Values(extents.Length switch
    {
        1 => new Shape(extents[0]),
        2 => new Shape(extents[0], extents[1]),
        _ => new Shape(extents[0], extents[1], extents[2], extents[3]),
    });

    private Input Values(Shape shape) => new(shape, [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)(_random.NextDouble() - 0.5) * 4)]);

    /// <summary>By division instead of by bits.</summary>
    private float Rounded(float value)
    {
        if (!float.IsFinite(value) || value == 0) return value;
        double unit = Math.Pow(2, Math.ILogB(value) + 1 - Bits);
        return (float)(Math.Round(value / unit, MidpointRounding.ToEven) * unit);
    }
}
