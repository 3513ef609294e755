using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;

namespace NativeDiffusion.Tests.Cases;

public sealed class LinearCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (x, outputs) in new[]
            {
                (new Shape(1, 1), 1), (new Shape(3, 17), 5), (new Shape(2, 33), 16), (new Shape(5, 15), 70),
                (new Shape(2, 9, 31), 33), (new Shape(2, 3, 5, 8), 12), (new Shape(3, 270), 9),
            })
            {
                InputSpec input = new("x", x), weight = new("weight", new Shape(outputs, x.Channels), Batched: false);
                InputSpec bias = new("bias", new Shape(outputs), Batched: false);
                yield return new($"Linear {x} to {outputs}", [input, weight, bias], (b, t) => b.Linear(t[0], t[1], t[2]), Oracle);
                yield return new($"Linear {x} to {outputs}, no bias", [input, weight], (b, t) => b.Linear(t[0], t[1]), Oracle);
            }
            // One layer applied twice: its gradients accumulate.
            yield return new("Linear applied twice", [new("x", new Shape(3, 19)), new("weight", new Shape(19, 19), Scale: 0.3, Batched: false),
                new("bias", new Shape(19), Batched: false)], (b, t) => b.Linear(b.Linear(t[0], t[1], t[2]), t[1], t[2]),
                t => Oracle([Oracle(t), t[1], t[2]]));
        }
    }

    private static DoubleTensor Oracle(DoubleTensor[] inputs)
    {
        int outputs = inputs[1].Shape[0], k = inputs[1].Shape[1], rows = inputs[0].Data.Length / k;
        double[] y = LinearReference.Forward(inputs[0].Data, inputs[1].Data, inputs.Length > 2 ? inputs[2].Data : null, rows, k, outputs);
        return new(inputs[0].Shape.WithChannels(outputs), y);
    }
}
