using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void EmbeddingForward(TensorView indices, TensorView table, TensorView y) =>
        LaunchEach(new EmbeddingKernel { Indices = Indices(indices), Table = View(table), Y = View(y), Width = table.Shape.Channels }, y.Count);

    /// <inheritdoc/>
    public void EmbeddingBackward(TensorView indices, TensorView dy, TensorView dtable, bool accumulate)
    {
        var kernel = new EmbeddingGradientKernel
        {
            Indices = Indices(indices),
            Dy = View(dy),
            Dtable = View(dtable),
            Width = dtable.Shape.Channels,
            Accumulate = accumulate ? 1 : 0,
        };
        LaunchEach(kernel, dtable.Count);
    }
}

/// <summary>One element of a looked-up row.</summary>
internal struct EmbeddingKernel : IGpuKernel
{
    public ArrayView<int> Indices;
    public ArrayView<float> Table, Y;
    public int Width;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Y.Length) return;
        long n = i / Width;
        Y[i] = Table[(long)Indices[n] * Width + (i - n * Width)];
    }
}

/// <summary>One element of the table, which goes through the batch in order and takes what is its own.</summary>
internal struct EmbeddingGradientKernel : IGpuKernel
{
    public ArrayView<int> Indices;
    public ArrayView<float> Dy, Dtable;
    public int Width, Accumulate;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Dtable.Length) return;
        long row = i / Width, channel = i - row * Width;
        float sum = Accumulate != 0 ? Dtable[i] : 0f;
        for (long n = 0; n < Indices.Length; n++)
            if (Indices[n] == row) sum += Dy[n * Width + channel];
        Dtable[i] = sum;
    }
}
