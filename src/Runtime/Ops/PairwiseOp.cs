using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = f(a, b), element by element; an extent of 1 is repeated as often as the other tensor has it.</summary>
    /// <param name="function">f.</param>
    /// <param name="a">Any shape of the rank of b.</param>
    /// <param name="b">In each dimension the extent of a, or one of the two is 1.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public Tensor Combine(PairFunction function, Tensor a, Tensor b)
    {
        int rank = a.Shape.Rank;
        bool fits = rank == b.Shape.Rank && Enum.IsDefined(function);
        for (int i = 0; fits && i < rank; i++) fits = a.Shape[i] == b.Shape[i] || a.Shape[i] == 1 || b.Shape[i] == 1;
        if (!fits) throw new ArgumentException($"{function} takes two tensors whose extents are equal or 1; got {a} and {b}.");
        var shape = Shape.Of([.. Enumerable.Range(0, rank).Select(i => Math.Max(a.Shape[i], b.Shape[i]))]);
        Shape wideA = Wide(a.Shape), wideB = Wide(b.Shape), wide = Wide(shape);
        var y = Temporary(shape, function.ToString());
        Record(nameof(IKernels.PairForward), [a, b], [y], k => k.PairForward(function, a.View.Reshape(wideA), b.View.Reshape(wideB), y.View.Reshape(wide)), y.Count);
        OnBackward([a, b], y, dy =>
        {
            foreach (bool second in (ReadOnlySpan<bool>)[false, true])
            {
                var operand = second ? b : a;
                if (!NeedsGradient(operand)) continue;
                bool passes = function == PairFunction.Add || function == PairFunction.Subtract && !second;
                if (operand.Shape == shape && passes)
                {
                    PassGradient(dy, operand);
                    continue;
                }
                bool repeated = operand.Shape != shape;
                var (d, accumulate) = repeated ? (passes ? dy : Temporary(shape, "d_" + operand.Name), false) : GradientTarget(operand);
                if (d != dy)
                    Record(nameof(IKernels.PairBackward), [a, b, dy], [d], k => k.PairBackward(
                        function, second, a.View.Reshape(wideA), b.View.Reshape(wideB), dy.View.Reshape(wide), d.View.Reshape(wide), accumulate), 2.0 * y.Count);
                if (repeated) SumRepeated(d, operand);
            }
        });
        return y;
    }

    /// <summary>The gradient of a tensor whose extents of 1 were repeated: the sum over the repetitions.</summary>
    private void SumRepeated(Tensor gradient, Tensor towards)
    {
        int[] extents = [.. Enumerable.Range(0, gradient.Shape.Rank).Select(i => gradient.Shape[i])];
        int[] axes = [.. Enumerable.Range(0, extents.Length).Where(i => towards.Shape[i] != extents[i])];
        foreach (int axis in axes)
        {
            int outer = extents[..axis].Aggregate(1, (p, e) => checked(p * e)), inner = extents[(axis + 1)..].Aggregate(1, (p, e) => checked(p * e)), count = extents[axis];
            Shape from = new(outer, count, inner), to = new(outer, 1, inner);
            extents[axis] = 1;
            var (sum, accumulate) = axis == axes[^1] ? GradientTarget(towards) : (Temporary(Shape.Of(extents), "d_repeated"), false);
            var (source, table) = (gradient, ResampleTable.Sum(count));
            Record(nameof(IKernels.Resample), [source], [sum], k => k.Resample(source.View.Reshape(from), 1, table, sum.View.Reshape(to), accumulate), source.Count);
            gradient = sum;
        }
    }

    private static Shape Wide(Shape shape)
    {
        int missing = 4 - shape.Rank;
        return Shape.Of([.. Enumerable.Range(0, 4).Select(i => i < missing ? 1 : shape[i - missing])]);
    }
}
