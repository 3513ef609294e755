using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void AveragePool2xForward(TensorView x, TensorView y) => Reduce2x(x, y, 0.25f, accumulate: false);

    /// <inheritdoc/>
    public void AveragePool2xBackward(TensorView dy, TensorView dx, bool accumulate) => Spread2x(dy, dx, 0.25f, accumulate);

    /// <summary>small = factor times the sum over 2 x 2 positions of large.</summary>
    private void Reduce2x(TensorView large, TensorView small, float factor, bool accumulate)
    {
        var kernel = new Reduce2xKernel { Large = View(large), Small = View(small), Pairs = Pairs(small, large), Factor = factor, Accumulate = accumulate ? 1 : 0 };
        LaunchEach(kernel, kernel.Pairs.Count);
    }

    /// <summary>Each of 2 x 2 positions of large = factor times small.</summary>
    private void Spread2x(TensorView small, TensorView large, float factor, bool accumulate)
    {
        var kernel = new Spread2xKernel { Large = View(large), Small = View(small), Pairs = Pairs(small, large), Factor = factor, Accumulate = accumulate ? 1 : 0 };
        LaunchEach(kernel, kernel.Pairs.Count);
    }

    private static Pairs2x Pairs(TensorView small, TensorView large)
    {
        int channels = small.Shape.Channels, vectors = InVectors(channels, small, large), perPosition = (channels + 3) / 4;
        return new()
        {
            Channels = channels, PerPosition = perPosition, Width = small.Shape[2],
            Count = checked((int)(small.Count / channels * perPosition)), Vectors = vectors,
        };
    }
}

/// <summary>Blocks of four channels, the last of a position perhaps of fewer, at a position of a tensor and at the 2 x 2 positions of one twice as large.</summary>
internal struct Pairs2x
{
    public int Channels, PerPosition, Width, Count, Vectors;

    /// <summary>Which block a thread takes; <see cref="Pair2x.Count"/> is 0 for one that has none.</summary>
    public readonly Pair2x Of(long thread)
    {
        var pair = default(Pair2x);
        if (thread >= Count) return pair;
        int position = (int)thread / PerPosition, c = 4 * ((int)thread - position * PerPosition);
        int row = position / Width, column = position - row * Width;
        pair.Count = Channels - c;
        pair.Small = (long)position * Channels + c;
        // Rows of all images are numbered through: row h of one is the rows 2h and 2h + 1 of the other.
        pair.Top = (2L * row * (2 * Width) + 2 * column) * Channels + c;
        pair.Bottom = pair.Top + 2L * Width * Channels;
        return pair;
    }
}

internal struct Pair2x
{
    public int Count;
    public long Small, Top, Bottom;
}

internal struct Reduce2xKernel : IGpuKernel
{
    public ArrayView<float> Large, Small;
    public Pairs2x Pairs;
    public float Factor;
    public int Accumulate;

    public readonly void Run()
    {
        var pair = Pairs.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (pair.Count <= 0) return;
        var factor = LanesFour.Broadcast(Factor);
        var sum = Load(pair, pair.Top) + Load(pair, pair.Top + Pairs.Channels) + (Load(pair, pair.Bottom) + Load(pair, pair.Bottom + Pairs.Channels));
        var value = factor * sum;
        if (Accumulate != 0) value = LanesFour.MultiplyAdd(factor, sum, new(GpuLoad.Four(Small, pair.Small, pair.Count, Pairs.Vectors)));
        GpuLoad.Store(Small, pair.Small, pair.Count, Pairs.Vectors, value.Values);
    }

    private readonly LanesFour Load(Pair2x pair, long at) => new(GpuLoad.Four(Large, at, pair.Count, Pairs.Vectors));
}

internal struct Spread2xKernel : IGpuKernel
{
    public ArrayView<float> Large, Small;
    public Pairs2x Pairs;
    public float Factor;
    public int Accumulate;

    public readonly void Run()
    {
        var pair = Pairs.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (pair.Count <= 0) return;
        var value = LanesFour.Broadcast(Factor) * new LanesFour(GpuLoad.Four(Small, pair.Small, pair.Count, Pairs.Vectors));
        Put(pair, pair.Top, value);
        Put(pair, pair.Top + Pairs.Channels, value);
        Put(pair, pair.Bottom, value);
        Put(pair, pair.Bottom + Pairs.Channels, value);
    }

    private readonly void Put(Pair2x pair, long at, LanesFour value)
    {
        if (Accumulate != 0) value = new LanesFour(GpuLoad.Four(Large, at, pair.Count, Pairs.Vectors)) + value;
        GpuLoad.Store(Large, at, pair.Count, Pairs.Vectors, value.Values);
    }
}
