using ILGPU;

namespace NativeDiffusion.Kernels;

public sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GatedAddForward(TensorView x, TensorView gate, TensorView h, TensorView y)
    {
        int channels = x.Shape.Channels;
        var formula = new GatedAddColumn { X = View(x), Gate = View(gate), H = View(h), Channels = channels };
        MapColumns(ColumnTile.Of(x.Shape.RowCount / channels, channels), x.Shape.Batch, formula, y);
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
        if (!dh.IsEmpty) MapColumns(tile, rows, new GateColumn { Gate = View(gate), Dy = View(dy), Channels = channels }, dh, accumulateDh);
    }
}

/// <summary>x + gate h.</summary>
internal struct GatedAddColumn : IColumnFormula
{
    public ArrayView<float> X, Gate, H;
    public int Channels;
    private float _gate;

    public void Begin(int row, int channel) => _gate = Gate[(long)row * Channels + channel];

    public readonly float Invoke(long at) => X[at] + _gate * H[at];
}

/// <summary>gate dy.</summary>
internal struct GateColumn : IColumnFormula
{
    public ArrayView<float> Gate, Dy;
    public int Channels;
    private float _gate;

    public void Begin(int row, int channel) => _gate = Gate[(long)row * Channels + channel];

    public readonly float Invoke(long at) => _gate * Dy[at];
}

/// <summary>dy h.</summary>
internal struct GatedAddTerm : IColumnTerm
{
    public ArrayView<float> H, Dy;

    public void Begin(int row, int channel) { }

    public readonly void Add(int position, long at, ref float first, ref float second) => first += Dy[at] * H[at];
}
