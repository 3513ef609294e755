using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

/// <summary>The recorded convolution; the kernels' own features are tested beside them.</summary>
public sealed class Conv2dCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var normalised in Normalised.Concat(EndPadded).Concat(Rectified).Concat(Smooth).Concat(OneSided)) yield return normalised;
            (Shape X, int Cout, int Kernel, int Stride, int Padding)[] configurations =
            [
                (new(2, 5, 7, 3), 4, 3, 1, 1), (new(2, 8, 8, 16), 32, 3, 1, 1), (new(3, 6, 6, 5), 7, 1, 1, 0), (new(2, 9, 8, 4), 6, 3, 2, 1),
                (new(2, 12, 13, 8), 5, 5, 1, 2), (new(2, 4, 4, 33), 17, 3, 1, 1), (new(2, 1, 1, 8), 8, 1, 1, 0), (new(2, 16, 16, 4), 8, 3, 1, 1),
            ];
            foreach (var (x, cout, kernel, stride, padding) in configurations)
            {
                int outH = (x[1] + 2 * padding - kernel) / stride + 1, outW = (x[2] + 2 * padding - kernel) / stride + 1;
                InputSpec[] inputs =
                [
                    new("x", x), new("weight", new(cout, kernel, kernel, x[3]), Scale: 0.3, Batched: false), new("bias", new(cout), Batched: false),
                    new("embedding", new(x[0], cout)), new("residual", new(x[0], outH, outW, cout)),
                ];
                string name = $"Conv2d {x} to {cout}, kernel {kernel}, stride {stride}, padding {padding}";
                yield return new(name + ", all additions", inputs,
                    (b, t) => b.Conv2d(t[0], t[1], t[2], new Conv2dOptions { Stride = stride, Padding = padding, Embedding = t[3], Residual = t[4] }),
                    t => Convolve(t, stride, padding)) { Tolerance = 2e-5 };
                yield return new(name, inputs[..2], (b, t) => b.Conv2d(t[0], t[1], null, new Conv2dOptions { Stride = stride, Padding = padding }),
                    t => Convolve(t, stride, padding)) { Tolerance = 2e-5 };
            }
        }
    }

    /// <summary>Normalisation on the way in; maps for each algorithm, and more channels than one vector.</summary>
    private static IEnumerable<OpCase> Normalised =>
        from configuration in new (Shape X, int Cout, int Kernel, int Groups)[]
        {
            (new(2, 5, 3, 6), 4, 3, 3), (new(2, 8, 8, 16), 16, 3, 4), (new(2, 6, 6, 24), 20, 1, 8),
        }
        from modulated in new[] { false, true }
        let x = configuration.X
        let c = x[3]
        select new OpCase(
            $"Conv2d {x} to {configuration.Cout}, kernel {configuration.Kernel}, after GroupNorm of {configuration.Groups}{(modulated ? ", scale, shift" : "")} and SiLU",
            [
                new("x", x), new("weight", new(configuration.Cout, configuration.Kernel, configuration.Kernel, c), Scale: 0.3, Batched: false),
                new("gamma", new(c), Batched: false), new("beta", new(c), Batched: false), .. modulated ? [new InputSpec("scaleShift", new(x[0], 2 * c))] : Array.Empty<InputSpec>(),
            ],
            (b, t) => b.Conv2d(t[0], t[1], null, new Conv2dOptions { Norm = new(t[2], t[3], configuration.Groups, 1e-5, modulated ? t[4] : null, Silu: true) }),
            t => Convolve([GroupNormCases.Oracle(t[0], t[2].Data, t[3].Data, modulated ? t[4] : null, configuration.Groups, silu: true), t[1]], 1, configuration.Kernel / 2))
        { Tolerance = 2e-5 };

    /// <summary>Padding at the end alone, as strided convolutions of some autoencoders have it, and more of it than at the beginning.</summary>
    private static IEnumerable<OpCase> EndPadded =>
        from configuration in new (Shape X, int Cout, int Stride, int Padding, int EndPadding)[]
        {
            (new(2, 8, 6, 16), 16, 2, 0, 1), (new(2, 7, 9, 3), 5, 2, 0, 1), (new(2, 8, 8, 16), 16, 1, 0, 2), (new(1, 5, 4, 20), 33, 3, 2, 0),
        }
        let x = configuration.X
        select new OpCase($"Conv2d {x} to {configuration.Cout}, stride {configuration.Stride}, padding {configuration.Padding} to {configuration.EndPadding}",
            [new("x", x), new("weight", new(configuration.Cout, 3, 3, x[3]), Scale: 0.3, Batched: false)],
            (b, t) => b.Conv2d(t[0], t[1], null, new Conv2dOptions { Stride = configuration.Stride, Padding = configuration.Padding, EndPadding = configuration.EndPadding }),
            t => Convolve(t, configuration.Stride, configuration.Padding, configuration.EndPadding))
        { Tolerance = 2e-5 };

    /// <summary>Kernels of one row or one column, padded along their length alone.</summary>
    private static IEnumerable<OpCase> OneSided =>
        from configuration in new (Shape X, int Cout, int Rows, int Columns, int Stride)[]
        {
            (new(2, 5, 7, 16), 17, 1, 7, 1), (new(2, 9, 4, 5), 33, 7, 1, 1), (new(1, 6, 5, 3), 4, 1, 3, 2), (new(2, 5, 8, 20), 8, 3, 1, 2), (new(1, 3, 2, 7), 6, 1, 7, 1),
        }
        let x = configuration.X
        select new OpCase($"Conv2d {x} to {configuration.Cout}, kernel {configuration.Rows}x{configuration.Columns}, stride {configuration.Stride}",
            [new("x", x), new("weight", new(configuration.Cout, configuration.Rows, configuration.Columns, x[3]), Scale: 0.3, Batched: false)],
            (b, t) => b.Conv2d(t[0], t[1], null, new Conv2dOptions { Stride = configuration.Stride }),
            t => Convolve(t, configuration.Stride, configuration.Rows / 2))
        { Tolerance = 2e-5 };

    /// <summary>ReLU last; the residual is used again, so that its gradient has two writers.</summary>
    private static IEnumerable<OpCase> Rectified =>
        from configuration in new (Shape X, int Cout, int Kernel)[] { (new(2, 8, 8, 16), 16, 3), (new(2, 5, 6, 7), 9, 1), (new(2, 4, 5, 3), 3, 3) }
        let x = configuration.X
        let y = new Shape(x[0], x[1], x[2], configuration.Cout)
        select new OpCase($"Conv2d {x} to {configuration.Cout}, kernel {configuration.Kernel}, residual and ReLU",
            [
                new("x", x), new("weight", new(configuration.Cout, configuration.Kernel, configuration.Kernel, x[3]), Scale: 0.3, Batched: false),
                new("bias", new(configuration.Cout), Batched: false), new("residual", y),
            ],
            (b, t) => b.Add(b.Conv2d(t[0], t[1], t[2], new Conv2dOptions { Residual = t[3], Relu = true }), t[3]),
            t =>
            {
                var zero = new DoubleTensor(new Shape(t[0].Shape[0], configuration.Cout));
                var sum = Convolve([t[0], t[1], t[2], zero, t[3]], 1, configuration.Kernel / 2);
                return new(sum.Shape, [.. sum.Data.Zip(t[3].Data, (v, r) => Math.Max(v, 0) + r)]);
            })
        { Tolerance = 2e-5 };

    /// <summary>Two convolutions with softplus last, so that the gradient of the first goes through the input gradient of the second; the residual is used again.</summary>
    private static IEnumerable<OpCase> Smooth =>
        from configuration in new (Shape X, int Cout, int Kernel)[] { (new(2, 8, 8, 16), 16, 3), (new(2, 5, 6, 7), 9, 1), (new(2, 4, 5, 3), 3, 3) }
        let x = configuration.X
        let y = new Shape(x[0], x[1], x[2], configuration.Cout)
        let kernel = new Shape(configuration.Cout, configuration.Kernel, configuration.Kernel, x[3])
        select new OpCase($"Conv2d {x} to {configuration.Cout}, kernel {configuration.Kernel}, residual and softplus, twice",
            [
                new("x", x), new("weight", kernel, Scale: 0.3, Batched: false), new("bias", new(configuration.Cout), Batched: false), new("residual", y),
                new("second", new(configuration.Cout, configuration.Kernel, configuration.Kernel, configuration.Cout), Scale: 0.3, Batched: false),
            ],
            (b, t) =>
            {
                var first = b.Conv2d(t[0], t[1], t[2], new Conv2dOptions { Residual = t[3], SoftplusBeta = 3 });
                return b.Add(b.Conv2d(first, t[4], t[2], new Conv2dOptions { Residual = first, SoftplusBeta = 3 }), t[3]);
            },
            t =>
            {
                var zero = new DoubleTensor(new Shape(t[0].Shape[0], configuration.Cout));
                var first = Softplus(Convolve([t[0], t[1], t[2], zero, t[3]], 1, configuration.Kernel / 2));
                var second = Softplus(Convolve([first, t[4], t[2], zero, first], 1, configuration.Kernel / 2));
                return new(second.Shape, [.. second.Data.Zip(t[3].Data, (v, r) => v + r)]);
            })
        { Tolerance = 2e-5 };

    private static DoubleTensor Softplus(DoubleTensor x) => new(x.Shape, [.. x.Data.Select(v => Math.Log(1 + Math.Exp(3 * v)) / 3)]);

    private static DoubleTensor Convolve(DoubleTensor[] t, int stride, int padding, int? endPadding = null)
    {
        var (x, w) = (t[0], t[1]);
        int kernel = w.Shape[1], kernelWidth = w.Shape[2], both = padding + (endPadding ?? padding);
        // A kernel that is not square is padded by its half.
        int left = kernel == kernelWidth ? padding : kernelWidth / 2;
        int outH = (x.Shape[1] + both - kernel) / stride + 1, outW = (x.Shape[2] + (kernel == kernelWidth ? both : 2 * left) - kernelWidth) / stride + 1;
        var y = new DoubleTensor(new Shape(x.Shape[0], outH, outW, w.Shape[0]));
        for (int n = 0; n < x.Shape[0]; n++)
            for (int i = 0; i < outH; i++)
                for (int j = 0; j < outW; j++)
                    for (int o = 0; o < w.Shape[0]; o++)
                    {
                        double sum = t.Length > 2 ? t[2].Data[o] + t[3][n, o] + t[4][n, i, j, o] : 0;
                        for (int a = 0; a < kernel; a++)
                            for (int b = 0; b < kernelWidth; b++)
                            {
                                int row = i * stride + a - padding, column = j * stride + b - left;
                                if (row < 0 || row >= x.Shape[1] || column < 0 || column >= x.Shape[2]) continue;
                                for (int c = 0; c < x.Shape[3]; c++) sum += x[n, row, column, c] * w[o, a, b, c];
                            }
                        y[n, i, j, o] = sum;
                    }
        return y;
    }
}
