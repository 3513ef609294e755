using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Reference;

/// <summary>A convolution's operands on the host, for the naive sums in double that the kernels are measured against.</summary>
internal sealed class Conv2dOracle
{
    public required Conv2dShape Shape { get; init; }
    public required float[] X { get; init; }
    public float[]? X2 { get; init; }
    public int Channels1 { get; init; }
    public bool Upsample { get; init; }
    public float[]? Mean { get; init; }
    public float[]? Rstd { get; init; }
    public float[]? Gamma { get; init; }
    public float[]? Beta { get; init; }
    public float[]? ScaleShift { get; init; }
    public bool Silu { get; init; }
    public int Groups { get; init; } = 1;
    public float[]? Bias { get; init; }
    public float[]? Embedding { get; init; }
    public float[]? Residual { get; init; }
    public Activation Activation { get; init; }

    /// <summary>beta of a softplus, here and in front of the input's gradient.</summary>
    public float SoftplusBeta { get; init; }

    /// <summary>The result of the activation that the input's gradient goes through, or null.</summary>
    public float[]? Activated { get; init; }

    public Activation Through { get; init; }

    /// <summary>The virtual input [N,H,W,Cin].</summary>
    public double[] VirtualInput()
    {
        var s = Shape;
        int up = Upsample ? 2 : 1, h = s.Height / up, w = s.Width / up, c1 = X2 is null ? s.InChannels : Channels1, c2 = s.InChannels - c1;
        double[] u = new double[(long)s.Batch * s.Height * s.Width * s.InChannels];
        int at = 0;
        for (int n = 0; n < s.Batch; n++)
            for (int y = 0; y < s.Height; y++)
                for (int x = 0; x < s.Width; x++)
                    for (int c = 0; c < s.InChannels; c++)
                    {
                        int pixel = (n * h + y / up) * w + x / up;
                        double v = c < c1 ? X[pixel * c1 + c] : X2![pixel * c2 + c - c1];
                        if (Mean is not null)
                        {
                            int g = n * Groups + c / (s.InChannels / Groups);
                            v = (v - Mean[g]) * Rstd![g] * (Gamma?[c] ?? 1) + (Beta?[c] ?? 0);
                        }
                        if (ScaleShift is not null)
                            v = v * (1.0 + ScaleShift[n * 2 * s.InChannels + c]) + ScaleShift[(n * 2 + 1) * s.InChannels + c];
                        u[at++] = Silu ? v / (1 + Math.Exp(-v)) : v;
                    }
        return u;
    }

    public double[] Forward(float[] weight)
    {
        var s = Shape;
        double[] u = VirtualInput(), y = new double[(long)s.Batch * s.OutHeight * s.OutWidth * s.OutChannels];
        VisitTaps((output, input, tap, n) =>
        {
            for (int k = 0; k < s.OutChannels; k++)
            {
                double sum = 0;
                int w = (k * s.KernelHeight * s.KernelWidth + tap) * s.InChannels;
                for (int c = 0; c < s.InChannels; c++) sum += u[input * s.InChannels + c] * weight[w + c];
                y[output * s.OutChannels + k] += sum;
            }
        });
        int perImage = s.OutHeight * s.OutWidth * s.OutChannels;
        for (int i = 0; i < y.Length; i++)
        {
            int k = i % s.OutChannels, n = i / perImage;
            double v = y[i] + (Bias?[k] ?? 0) + (Embedding?[n * s.OutChannels + k] ?? 0) + (Residual?[i] ?? 0);
            y[i] = Activation switch { Activation.Silu => v / (1 + Math.Exp(-v)), Activation.Relu => Math.Max(v, 0), Activation.Softplus => Math.Log(1 + Math.Exp(SoftplusBeta * v)) / SoftplusBeta, _ => v };
        }
        return y;
    }

    public double[] InputGrad(float[] weight, float[] dy)
    {
        var s = Shape;
        double[] du = new double[(long)s.Batch * s.Height * s.Width * s.InChannels];
        VisitTaps((output, input, tap, n) =>
        {
            for (int k = 0; k < s.OutChannels; k++)
            {
                double d = dy[output * s.OutChannels + k];
                int w = (k * s.KernelHeight * s.KernelWidth + tap) * s.InChannels;
                for (int c = 0; c < s.InChannels; c++) du[input * s.InChannels + c] += d * weight[w + c];
            }
        });
        if (Activated is null) return du;
        for (int i = 0; i < du.Length; i++) du[i] *= Through == Activation.Relu ? Activated[i] > 0 ? 1 : 0 : 1 - Math.Exp(-SoftplusBeta * Activated[i]);
        return du;
    }

    public double[] WeightGrad(float[] dy)
    {
        var s = Shape;
        double[] u = VirtualInput(), dw = new double[(long)s.OutChannels * s.KernelHeight * s.KernelWidth * s.InChannels];
        VisitTaps((output, input, tap, n) =>
        {
            for (int k = 0; k < s.OutChannels; k++)
            {
                double d = dy[output * s.OutChannels + k];
                int w = (k * s.KernelHeight * s.KernelWidth + tap) * s.InChannels;
                for (int c = 0; c < s.InChannels; c++) dw[w + c] += d * u[input * s.InChannels + c];
            }
        });
        return dw;
    }

    /// <summary>Every pair of an output pixel and an input pixel that a kernel tap joins.</summary>
    private void VisitTaps(Action<int, int, int, int> visit)
    {
        var s = Shape;
        for (int n = 0; n < s.Batch; n++)
            for (int i = 0; i < s.OutHeight; i++)
                for (int j = 0; j < s.OutWidth; j++)
                    for (int a = 0; a < s.KernelHeight; a++)
                        for (int b = 0; b < s.KernelWidth; b++)
                        {
                            int y = i * s.Stride + a - s.Padding, x = j * s.Stride + b - s.LeftPadding;
                            if (y < 0 || y >= s.Height || x < 0 || x >= s.Width) continue;
                            visit((n * s.OutHeight + i) * s.OutWidth + j, (n * s.Height + y) * s.Width + x, a * s.KernelWidth + b, n);
                        }
    }
}
