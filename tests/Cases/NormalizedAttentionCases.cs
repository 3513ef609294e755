using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Normalised attention guidance: token by token, shortened or not.</summary>
public sealed class NormalizedAttentionCases : ICaseList
{
    private static readonly Shape[] Shapes = [new(2, 3, 1), new(3, 2, 15), new(2, 5, 16), new(2, 3, 17), new(3, 1, 33), new(2, 65, 64), new(1, 2, 1030)];

    public static IEnumerable<OpCase> Cases =>
        from shape in Shapes
        from s in new[] { (Phi: 5.0, Tau: 2.5, Alpha: 0.25), (1.5, 2.5, 1), (11, 1.5, 0.5) }
        select new OpCase(
            $"NormalizedAttention {shape} {s}", [new("positive", shape) { Constant = true }, new("negative", shape) { Constant = true }],
            (b, x) => b.NormalizedAttention(x[0], x[1], s.Phi, s.Tau, s.Alpha), x => new(x[0].Shape, Oracle(x[0].Data, x[1].Data, x[0].Shape.Channels, s.Phi, s.Tau, s.Alpha)));

    /// <summary>Guided tokens of width C.</summary>
    internal static double[] Oracle(double[] positive, double[] negative, int width, double phi, double tau, double alpha)
    {
        double[] result = [.. positive];
        for (int start = 0; start < positive.Length; start += width)
        {
            double[] p = positive[start..(start + width)], guided = [.. p.Select((v, i) => phi * v - (phi - 1) * negative[start + i])];
            double length = Math.Sqrt(p.Sum(v => v * v)), ratio = Math.Sqrt(guided.Sum(v => v * v)) / length;
            if (length == 0 || ratio == 0) continue;
            for (int i = 0; i < width; i++) result[start + i] = alpha * guided[i] * Math.Min(ratio, tau) / ratio + (1 - alpha) * p[i];
        }
        return result;
    }
}
