using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = f(x), element by element.</summary>
    /// <param name="function">f.</param>
    /// <param name="x">Any shape.</param>
    /// <param name="alpha">Parameter of f, where it has one.</param>
    /// <exception cref="ArgumentException">There is no such function, or its parameter is not finite.</exception>
    public Tensor Apply(ElementFunction function, Tensor x, float alpha = 1)
    {
        if (!Enum.IsDefined(function) || !float.IsFinite(alpha)) throw new ArgumentException($"Apply takes a function and a finite parameter; got {function} and {alpha} for {x}.");
        var y = Temporary(x.Shape, function.ToString());
        Record(nameof(IKernels.ElementFunctionForward), [x], [y], k => k.ElementFunctionForward(function, alpha, x.View, y.View), 8.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.ElementFunctionBackward), [x, dy], [dx],
                k => k.ElementFunctionBackward(function, alpha, x.View, dy.View, dx.View, accumulate), 12.0 * x.Count);
        });
        return y;
    }
}
