using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench.Arms;

/// <summary>
/// The passes of <see cref="ComposedStep"/> on a device: one launch of a simple kernel each, everything stays in its memory. Rows without
/// clipping, noise and learned variance, for which there is no simple kernel.
/// </summary>
internal sealed class DeviceComposedStep : IDisposable
{
    private readonly IKernels _kernels;
    private readonly OwnedTensors _owned;
    private readonly TensorView _guided, _clean;

    public DeviceComposedStep(IKernels kernels, Shape shape)
    {
        (_kernels, _owned) = (kernels, new OwnedTensors(kernels));
        (_guided, _clean) = (_owned.Allocate(shape), _owned.Allocate(shape));
    }

    /// <summary>Updates <paramref name="z"/> and <paramref name="history"/> in place.</summary>
    public void Run(in GuidedStepRow row, float scale, TensorView conditional, TensorView unconditional, TensorView z, TensorView history)
    {
        ComposedStep.CheckRow(row);
        if (row.Clip) throw new ArgumentException("The composed arm on a device has no pass that clips; give it rows without clipping.");
        _kernels.Scale(conditional, scale, _guided, accumulate: false);
        _kernels.Scale(unconditional, 1 - scale, _guided, accumulate: true);
        _kernels.Scale(z, row.XFromZ, _clean, accumulate: false);
        _kernels.Scale(_guided, row.XFromG, _clean, accumulate: true);
        _kernels.Scale(z, row.A, z, accumulate: false);
        _kernels.Scale(_clean, row.B, z, accumulate: true);
        if (row.E != 0) _kernels.Scale(_guided, row.E, z, accumulate: true);
        if (row.P != 0) _kernels.Scale(history, row.P, z, accumulate: true);
        if (row.StoreHistory) _kernels.Copy(_clean, history);
    }

    public void Dispose() => _owned.Dispose();
}
