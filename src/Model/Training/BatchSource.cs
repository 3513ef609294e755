using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Model.Training;

/// <summary>
/// The order of the training images: a new permutation each pass, from the seed and the pass alone, so that any step can be resumed from its
/// number. Batches run on across passes. Images that are not in memory are read for the next step while this one is computed.
/// </summary>
internal sealed class BatchSource : IDisposable
{
    // Of the augmentation's axes, those behind its shifts and its mirror.
    private const uint AcrossAxis = 3, DownAxis = 4;

    private readonly ITrainingImages _data;
    private readonly ulong _seed;
    private readonly int[] _order;
    private long _epoch = -1;
    private Ahead? _ahead;

    public BatchSource(ITrainingImages data, ulong seed)
    {
        if (data.Count == 0) throw new ArgumentException("The dataset has no images.");
        (_data, _seed, _order) = (data, seed, new int[data.Count]);
    }

    public void Fill(long step, int batch, Span<float> pixels, Span<int> labels)
    {
        // Apart, for a method with a lambda allocates even where it does not reach it.
        if (_data is ImageDataset) Read(step, batch, pixels, labels);
        else FillAhead(step, batch, pixels, labels);
    }

    /// <summary>Waits for what is being read, so that its source may be closed.</summary>
    public void Dispose() => Take(-1, 0, 0);

    private void FillAhead(long step, int batch, Span<float> pixels, Span<int> labels)
    {
        var ahead = Take(step, batch, pixels.Length) ?? new Ahead(step, new float[pixels.Length], new int[batch]);
        ahead.Work ??= Task.Run(() => Read(step, batch, ahead.Pixels, ahead.Labels));
        ahead.Work.GetAwaiter().GetResult();
        ahead.Pixels.CopyTo(pixels);
        ahead.Labels.CopyTo(labels);
        var next = new Ahead(step + 1, ahead.Pixels, ahead.Labels);
        next.Work = Task.Run(() => Read(step + 1, batch, next.Pixels, next.Labels));
        _ahead = next;
    }

    private Ahead? Take(long step, int batch, int length)
    {
        var ahead = _ahead;
        _ahead = null;
        if (ahead is null || (ahead.Step == step && ahead.Labels.Length == batch && ahead.Pixels.Length == length)) return ahead;
        // What was read for another step may have failed; its step would say so.
        ahead.Work?.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
        return null;
    }

    private void Read(long step, int batch, Span<float> pixels, Span<int> labels)
    {
        int row = pixels.Length / batch;
        for (int b = 0; b < batch; b++)
        {
            long position = step * batch + b;
            if (position / _data.Count != _epoch) Shuffle(position / _data.Count);
            int index = _order[position % _data.Count];
            double across = Place(b, step, AcrossAxis), down = Place(b, step, DownAxis);
            _data.CopyRow(index, across, down, pixels.Slice(b * row, row));
            labels[b] = _data.Labels.Span[index];
        }
    }

    private double Place(int row, long step, uint axis) => Philox.Uniform(_seed, (uint)row, (uint)step, RandomStream.Augment, axis);

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

    /// <summary>A step's images, read or being read.</summary>
    private sealed class Ahead(long step, float[] pixels, int[] labels)
    {
        public long Step { get; } = step;

        public float[] Pixels { get; } = pixels;

        public int[] Labels { get; } = labels;

        public Task? Work { get; set; }
    }
}
