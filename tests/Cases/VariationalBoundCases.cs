using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Both kinds of rows: divergences, and likelihoods of bytes.</summary>
public sealed class VariationalBoundCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1), new(3, 17), new(2, 3, 5, 3), new(2, 40, 33, 4) })
                foreach (bool last in new[] { false, true })
                    foreach (bool weighted in new[] { false, true })
                    {
                        InputSpec[] inputs =
                        [
                            new("g", shape, Fill.Normal, 0.5) { Constant = true }, new("nu", shape, Fill.Normal, 0.5), new("z", shape, Fill.Normal, 0.6) { Constant = true },
                            new("x0", shape, Fill.Normal, 0.6) { Constant = true }, new("seed", new Shape(shape.Batch, 6), Fill.Positive, 1) { Constant = true },
                            .. weighted ? new InputSpec[] { new("weight", new Shape(shape.Batch), Fill.Positive, 3) { Constant = true } } : [],
                        ];
                        string name = $"VariationalBound {shape}{(last ? " likelihood" : "")}{(weighted ? " weighted" : "")}";
                        // Fractions become coefficients of usual size by an affine map that both sides know.
                        float[] factor = [1, -1, 1, 1, 1, 0], offset = [0.5f, 0, 0.2f, -1, 0.5f, last ? 1 : 0];
                        yield return new OpCase(name, inputs, (b, x) => b.VariationalBound(b.Concat(x[0], x[1]), x[2], x[3], Affine(b, x[4], factor, offset), weighted ? x[5] : null).Loss,
                            x => new(new Shape(1), [Rows(x, factor, offset).Select((v, n) => weighted ? v * x[5].Data[n] : v).Average()]))
                        { RowsAreIndependent = false };
                    }
        }
    }

    private static Tensor Affine(PlanBuilder b, Tensor x, float[] factor, float[] offset)
    {
        var weight = b.Constant("factor", [.. Enumerable.Range(0, 36).Select(i => i % 7 == 0 ? factor[i / 7] : 0)]);
        return b.Linear(x, b.Reshape(weight, new Shape(6, 6)), b.Constant("offset", offset));
    }

    private static IEnumerable<double> Rows(DoubleTensor[] x, float[] factor, float[] offset)
    {
        int batch = x[3].Shape.Batch, length = x[3].Data.Length / batch;
        return Enumerable.Range(0, batch).Select(n =>
        {
            double[] row = [.. Enumerable.Range(0, 6).Select(k => factor[k] * x[4].Data[n * 6 + k] + offset[k])];
            return Enumerable.Range(n * length, length).Average(i => Nats(row, x[0].Data[i], x[1].Data[i], x[2].Data[i], x[3].Data[i]) / Math.Log(2));
        });
    }

    /// <summary>The formulas of the paper, one by one.</summary>
    public static double Nats(double[] row, double g, double nu, double z, double x0)
    {
        double x = row[0] * z + row[1] * g, logVariance = (nu + 1) / 2 * row[4] + (1 - nu) / 2 * row[3];
        if (row[5] == 0)
        {
            double difference = row[2] * (x0 - x);
            return 0.5 * (-1 + logVariance - row[3] + Math.Exp(row[3] - logVariance) + difference * difference * Math.Exp(-logVariance));
        }
        double Cdf(double y) => 0.5 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (y + 0.044715 * y * y * y)));
        double scale = Math.Exp(-logVariance / 2), above = Cdf((x0 - x + 1 / 255.0) * scale), below = Cdf((x0 - x - 1 / 255.0) * scale);
        double mass = x0 < -0.999 ? above : x0 > 0.999 ? 1 - below : above - below;
        return -Math.Log(Math.Max(mass, 1e-12));
    }
}
