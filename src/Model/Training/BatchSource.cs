using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Model.Training;

/// <summary>
/// The order of the training images: a new permutation each pass, from the seed and the pass alone, so that any step can be resumed from its
/// number. Batches run on across passes.
/// </summary>
internal sealed class BatchSource
{
    private readonly ImageDataset _data;
    private readonly ulong _seed;
    private readonly int[] _order;
    private long _epoch = -1;

    public BatchSource(ImageDataset data, ulong seed)
    {
        if (data.Count == 0) throw new ArgumentException("The dataset has no images.");
        (_data, _seed, _order) = (data, seed, new int[data.Count]);
    }

    public void Fill(long step, int batch, Span<float> pixels, Span<int> labels)
    {
        int row = pixels.Length / batch;
        for (int b = 0; b < batch; b++)
        {
            long position = step * batch + b;
            if (position / _data.Count != _epoch) Shuffle(position / _data.Count);
            int index = _order[position % _data.Count];
            _data.CopyRow(index, pixels.Slice(b * row, row));
            labels[b] = _data.Labels.Span[index];
        }
    }

    private void Shuffle(long epoch)
    {
        _epoch = epoch;
        for (int i = 0; i < _order.Length; i++) _order[i] = i;
        for (int i = _order.Length - 1; i > 0; i--)
        {
            int j = (int)(Philox.Uniform(_seed, (uint)epoch, 0, RandomStream.Order, (uint)i) * (i + 1));
            (_order[i], _order[j]) = (_order[j], _order[i]);
        }
    }
}
