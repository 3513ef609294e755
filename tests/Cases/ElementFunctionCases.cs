using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

public sealed class ElementFunctionCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var function in Enum.GetValues<ElementFunction>())
            {
                var shape = new Shape(3, 37);
                yield return new($"{function} {shape}", [Input(function, shape)], (b, x) => Record(b, function, x[0]), x => Oracle(function, x[0], 1));
                yield return new($"{function} twice", [Input(function, new(2, 15))],
                    (b, x) => b.Add(Record(b, function, x[0]), Record(b, function, x[0])), x => Oracle(function, x[0], 2));
            }
            yield return new("ExactGelu, long", [new("x", new(2, 20000), Scale: 3)], (b, x) => b.Apply(ElementFunction.ExactGelu, x[0]), x => Oracle(ElementFunction.ExactGelu, x[0], 1));
        }
    }

    // Where a function ends or leaps, differences are not its derivative: it is taken of a power.
    private static Tensor Record(PlanBuilder b, ElementFunction function, Tensor x) =>
        b.Apply(function, function is ElementFunction.Sqrt or ElementFunction.Reciprocal ? b.Apply(ElementFunction.Exp, x) : x, 0.75f);

    private static InputSpec Input(ElementFunction function, Shape shape) => function switch
    {
        ElementFunction.Erf or ElementFunction.ExactGelu or ElementFunction.Elu or ElementFunction.Sigmoid => new("x", shape, Scale: 2),
        _ => new("x", shape),
    };

    private static DoubleTensor Oracle(ElementFunction function, DoubleTensor x, double times) => new(x.Shape, [.. x.Data.Select(v => times * function switch
    {
        ElementFunction.Sigmoid => 1 / (1 + Math.Exp(-v)),
        ElementFunction.Exp => Math.Exp(v),
        ElementFunction.Sqrt => Math.Exp(v / 2),
        ElementFunction.Reciprocal => Math.Exp(-v),
        ElementFunction.Abs => Math.Abs(v),
        ElementFunction.Erf => Erf(v),
        ElementFunction.ExactGelu => v * 0.5 * (1 + Erf(v / Math.Sqrt(2))),
        ElementFunction.LeakyRelu => v > 0 ? v : 0.75 * v,
        _ => v > 0 ? v : 0.75 * (Math.Exp(v) - 1),
    })]);

    /// <summary>The integral by Simpson's rule.</summary>
    private static double Erf(double x)
    {
        const int Steps = 2000;
        double h = x / Steps, sum = 1 + Math.Exp(-x * x);
        for (int i = 1; i < Steps; i++) sum += (i % 2 == 0 ? 2 : 4) * Math.Exp(-(i * h) * (i * h));
        return 2 / Math.Sqrt(Math.PI) * sum * h / 3;
    }
}
