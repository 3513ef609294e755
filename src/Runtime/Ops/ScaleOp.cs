using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = factor * x.</summary>
    public Tensor Scale(Tensor x, float factor)
    {
        var y = Temporary(x.Shape, "scale");
        Record(nameof(IKernels.Scale), [x], [y], k => k.Scale(x.View, factor, y.View, accumulate: false), x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.Scale), [dy], [dx], k => k.Scale(dy.View, factor, dx.View, accumulate), x.Count);
        });
        return y;
    }

    /// <summary>y = factor * x, with a factor that is read in every run.</summary>
    public Tensor Scale(Tensor x, Slot<float> factor)
    {
        var y = Temporary(x.Shape, "scale");
        RecordVarying(nameof(IKernels.Scale), [x], [y], k => k.Scale(x.View, factor.Value, y.View, accumulate: false), x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            RecordVarying(nameof(IKernels.Scale), [dy], [dx], k => k.Scale(dy.View, factor.Value, dx.View, accumulate), x.Count);
        });
        return y;
    }
}
