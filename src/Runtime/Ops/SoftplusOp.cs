using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = log(1 + e^(beta x)) / beta, element by element: ReLU made smooth; see <see cref="IKernels.SoftplusForward"/>.</summary>
    /// <exception cref="ArgumentException">beta is not positive and finite.</exception>
    public Tensor Softplus(Tensor x, float beta)
    {
        RequireSoftplus(beta);
        var y = Temporary(x.Shape, "softplus");
        Record(nameof(IKernels.SoftplusForward), [x], [y], k => k.SoftplusForward(x.View, beta, y.View), 5.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.SoftplusBackward), [y, dy], [dx],
                k => k.SoftplusBackward(y.View, beta, dy.View, dx.View, accumulate), 5.0 * x.Count);
        });
        return y;
    }

    private static void RequireSoftplus(float beta)
    {
        if (!(beta > 0) || float.IsInfinity(beta))
            throw new ArgumentException($"Softplus takes a positive, finite beta; got {beta}. Its limit for an infinite beta is Relu.");
    }
}
