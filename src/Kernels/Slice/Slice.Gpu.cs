using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void SliceForward(TensorView x, int start, TensorView y) => CopyChannels(x, start, y, 0, y.Shape.Channels, accumulate: false);

    /// <inheritdoc/>
    public void SliceBackward(TensorView dy, int start, TensorView dx, bool accumulate)
    {
        int channels = dy.Shape.Channels, stride = dx.Shape.Channels;
        if (accumulate)
        {
            CopyChannels(dy, 0, dx, start, channels, accumulate: true);
            return;
        }
        int vectors = InVectors(start | channels | stride, dy, dx), unit = Unit(vectors);
        var kernel = new EmbedChannelsKernel
        {
            From = View(dy), To = View(dx), Start = start / unit, Channels = channels / unit, Stride = stride / unit,
            Count = checked((int)(dx.Count / unit)), Vectors = vectors,
        };
        LaunchEach(kernel, kernel.Count);
    }
}

/// <summary>A range of channels from a tensor and zeros in the others; channels count vectors of four if <see cref="Vectors"/> is set.</summary>
internal struct EmbedChannelsKernel : IGpuKernel
{
    public ArrayView<float> From, To;
    public int Start, Channels, Stride, Count, Vectors;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Count) return;
        int position = (int)i / Stride, c = (int)i - position * Stride - Start;
        bool inside = c >= 0 && c < Channels;
        long from = (long)position * Channels + c;
        if (Vectors != 0)
        {
            var value = default(F4);
            if (inside) value = From.Cast<F4>()[from];
            To.Cast<F4>()[i] = value;
        }
        else
        {
            float value = 0f;
            if (inside) value = From[from];
            To[i] = value;
        }
    }
}
