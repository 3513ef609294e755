using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

public sealed class ActivationCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1), new(2, 7), new(3, 17), new(2, 40), new(2, 20000) })
            {
                yield return Case("Relu", shape, (b, x) => b.Relu(x), v => Math.Max(v, 0));
                yield return Case("Gelu", shape, (b, x) => b.Gelu(x),
                    v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))));
                yield return Case("QuickGelu", shape, (b, x) => b.QuickGelu(x), v => v / (1 + Math.Exp(-1.702 * v)));
                yield return Case("Tanh", shape, (b, x) => b.Tanh(x), Math.Tanh);
                foreach (float beta in new[] { 0.5f, 1, 3, 10000 })
                    yield return Case($"Softplus beta={beta}", shape, (b, x) => b.Softplus(x, beta), v => Softplus(v, beta));
                yield return Case("Scale", shape, (b, x) => b.Scale(x, -1.5f), v => -1.5 * v);
                yield return new($"Scale slot, twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.Scale(x[0], new Slot<float>(2)), b.Scale(x[0], 0.25f)),
                    x => new(x[0].Shape, [.. x[0].Data.Select(v => 2.25 * v)]));
            }
        }
    }

    private static OpCase Case(string name, Shape shape, Func<PlanBuilder, Tensor, Tensor> record, Func<double, double> formula) =>
        new($"{name} {shape}", [new("x", shape, Scale: 3)], (b, x) => record(b, x[0]),
            x => new(x[0].Shape, [.. x[0].Data.Select(formula)]));

    private static double Softplus(double x, double beta) =>
        beta * x > 20 ? x : (Math.Max(beta * x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(beta * x)))) / beta;
}
