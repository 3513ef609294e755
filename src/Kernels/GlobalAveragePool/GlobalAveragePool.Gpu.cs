using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GlobalAveragePoolForward(TensorView x, TensorView y) =>
        SumPositions(x, x.Shape.Batch, y, 1f / (x.Shape.RowCount / x.Shape.Channels), false);

    /// <inheritdoc/>
    public void GlobalAveragePoolBackward(TensorView dy, TensorView dx, bool accumulate)
    {
        int channels = dx.Shape.Channels;
        long positions = dx.Shape.RowCount / channels;
        var formula = new GlobalSpreadFormula { Dy = View(dy), Channels = channels, Factor = 1f / positions };
        MapColumns(dx.Shape.Batch, formula, default, default, dx, accumulate);
    }
}

/// <summary>One value of [N,C] for all positions.</summary>
internal struct GlobalSpreadFormula : IColumnFormula
{
    public ArrayView<float> Dy;
    public int Channels;
    public float Factor, Value;

    public void Begin(int row, int channel) => Value = Factor * Dy[(long)row * Channels + channel];

    public readonly float Invoke(float x, float z) => Value;
}
