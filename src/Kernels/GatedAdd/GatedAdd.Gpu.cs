using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GatedAddForward(TensorView x, TensorView gate, TensorView h, TensorView y)
    {
        MapColumns(x.Shape.Batch, new GatedAddColumn { Gate = View(gate), Channels = x.Shape.Channels }, x, h, y);
    }

    /// <inheritdoc/>
    public void GatedAddBackward(TensorView gate, TensorView h, TensorView dy, TensorView dh, bool accumulateDh, TensorView dgate, bool accumulateDgate)
    {
        int channels = dy.Shape.Channels, rows = dy.Shape.Batch;
        var tile = ColumnTile.Of(dy.Shape.RowCount / channels, channels);
        if (!dgate.IsEmpty)
        {
            var bands = Scratch(0, tile.Bands > 1 ? 2L * rows * tile.Bands * channels : 0);
            SumPairs(tile, rows, new GatedAddTerm { H = View(h), Dy = View(dy) }, Vectors(dgate, accumulateDgate, default, false), bands);
        }
        if (!dh.IsEmpty) MapColumns(rows, new GateColumn { Gate = View(gate), Channels = channels }, dy, default, dh, accumulateDh);
    }
}

/// <summary>x + gate h.</summary>
internal struct GatedAddColumn : IColumnFormula
{
    public ArrayView<float> Gate;
    public int Channels;
    private float _gate;

    public void Begin(int row, int channel) => _gate = Gate[(long)row * Channels + channel];

    public readonly float Invoke(float x, float z) => x + _gate * z;
}

/// <summary>gate dy.</summary>
internal struct GateColumn : IColumnFormula
{
    public ArrayView<float> Gate;
    public int Channels;
    private float _gate;

    public void Begin(int row, int channel) => _gate = Gate[(long)row * Channels + channel];

    public readonly float Invoke(float x, float z) => _gate * x;
}

/// <summary>dy h.</summary>
internal struct GatedAddTerm : IColumnTerm
{
    public ArrayView<float> H, Dy;

    public void Begin(int row, int channel) { }

    public readonly void Add(int position, long at, ref float first, ref float second) => first += Dy[at] * H[at];
}
