using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void ConcatForward(TensorView a, TensorView b, TensorView y)
    {
        int left = a.Shape.Channels, right = b.Shape.Channels;
        int vectors = InVectors(left | right, a, b, y), unit = Unit(vectors);
        var kernel = new ConcatKernel
        {
            A = View(a), B = View(b), Y = View(y), Left = left / unit, Right = right / unit, Count = checked((int)(y.Count / unit)), Vectors = vectors,
        };
        LaunchEach(kernel, kernel.Count);
    }

    /// <inheritdoc/>
    public void ConcatBackward(TensorView dy, TensorView da, bool accumulateDa, TensorView db, bool accumulateDb)
    {
        // One after the other: both may be the same tensor.
        if (!da.IsEmpty) CopyChannels(dy, 0, da, 0, da.Shape.Channels, accumulateDa);
        if (!db.IsEmpty) CopyChannels(dy, dy.Shape.Channels - db.Shape.Channels, db, 0, db.Shape.Channels, accumulateDb);
    }

    /// <summary>Copies, or adds, some neighbouring channels of every position from one tensor to another.</summary>
    private void CopyChannels(TensorView from, int fromStart, TensorView to, int toStart, int channels, bool accumulate)
    {
        int fromChannels = from.Shape.Channels, toChannels = to.Shape.Channels;
        int vectors = InVectors(fromStart | fromChannels | toStart | toChannels | channels, from, to), unit = Unit(vectors);
        var kernel = new CopyChannelsKernel
        {
            From = View(from), FromStart = fromStart / unit, FromStride = fromChannels / unit,
            To = View(to), ToStart = toStart / unit, ToStride = toChannels / unit,
            Channels = channels / unit, Count = checked((int)(to.Count / toChannels * (channels / unit))),
            Accumulate = accumulate ? 1 : 0, Vectors = vectors,
        };
        LaunchEach(kernel, kernel.Count);
    }

    /// <summary>How many floats a thread takes.</summary>
    private static int Unit(int vectors) => vectors != 0 ? 4 : 1;
}

/// <summary>Channels and strides count vectors of four if <see cref="Vectors"/> is set.</summary>
internal struct ConcatKernel : IGpuKernel
{
    public ArrayView<float> A, B, Y;
    public int Left, Right, Count, Vectors;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Count) return;
        int position = (int)i / (Left + Right), c = (int)i - position * (Left + Right);
        bool isLeft = c < Left;
        long from = isLeft ? (long)position * Left + c : (long)position * Right + c - Left;
        if (Vectors != 0) Y.Cast<F4>()[i] = isLeft ? A.Cast<F4>()[from] : B.Cast<F4>()[from];
        else Y[i] = isLeft ? A[from] : B[from];
    }
}

/// <summary>Channels and strides count vectors of four if <see cref="Vectors"/> is set.</summary>
internal struct CopyChannelsKernel : IGpuKernel
{
    public ArrayView<float> From, To;
    public int FromStart, FromStride, ToStart, ToStride, Channels, Count, Accumulate, Vectors;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Count) return;
        int position = (int)i / Channels, c = (int)i - position * Channels;
        long from = (long)position * FromStride + FromStart + c, to = (long)position * ToStride + ToStart + c;
        if (Vectors != 0)
        {
            var value = From.Cast<F4>()[from];
            To.Cast<F4>()[to] = Accumulate != 0 ? GpuLoad.Add(To.Cast<F4>()[to], value) : value;
        }
        else To[to] = Accumulate != 0 ? To[to] + From[from] : From[from];
    }
}
