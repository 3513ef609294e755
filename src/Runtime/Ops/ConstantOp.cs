using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>A small vector of fixed numbers, written anew in every run: memory that plans share may hold anything by then.</summary>
    /// <exception cref="ArgumentException">There are none.</exception>
    public Tensor Constant(string name, float[] values)
    {
        if (values.Length == 0) throw new ArgumentException($"Constant '{name}' has no elements.");
        var tensor = Temporary(new Shape(values.Length), name);
        Record(nameof(IKernels.Upload), [], [tensor], k => k.Upload(values, tensor.View));
        return tensor;
    }
}
