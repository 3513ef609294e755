using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>Where Winograd's sums go: tiles of 4x4 output pixels.</summary>
internal unsafe struct WinogradOutput<V>
    where V : unmanaged, ILanes<V>
{
    public ConvEpilogue Epilogue;
    public int Height, Width;

    public readonly int TileRows => (Height + 3) / 4;

    public readonly int TileColumns => (Width + 3) / 4;

    /// <summary>Transforms the sums of one tile and a panel of two vectors of channels, and stores them; <paramref name="buffer"/> holds 24 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Store(float* sums, nint sumPlane, int n, int ty, int tx, int channel0, float* buffer)
    {
        int rows = Math.Min(4, Height - ty * 4), columns = Math.Min(4, Width - tx * 4);
        nint pixel0 = ((nint)n * Height + ty * 4) * Width + tx * 4;
        int last = Math.Min(channel0 + 2 * V.Count, Epilogue.Channels);
        for (int channel = channel0; channel < last; channel += V.Count, sums += V.Count)
        {
            Winograd.TransformOutputColumns<V>(sums, sumPlane, buffer);
            int count = Math.Min(V.Count, last - channel);
            bool whole = count == V.Count && columns == 4;
            V shift = V.Zero;
            if (whole) shift = Epilogue.Shift<V>(n, channel);
            for (int i = 0; i < rows; i++)
            {
                Winograd.TransformOutputRow(buffer, i, out V u0, out V u1, out V u2, out V u3);
                nint at = (pixel0 + (nint)i * Width) * Epilogue.Channels + channel;
                if (whole)
                {
                    Epilogue.StoreShifted(u0 + shift, at);
                    Epilogue.StoreShifted(u1 + shift, at + Epilogue.Channels);
                    Epilogue.StoreShifted(u2 + shift, at + 2 * (nint)Epilogue.Channels);
                    Epilogue.StoreShifted(u3 + shift, at + 3 * (nint)Epilogue.Channels);
                    continue;
                }
                Epilogue.StoreTail(u0, at, n, channel, count);
                if (columns > 1) Epilogue.StoreTail(u1, at + Epilogue.Channels, n, channel, count);
                if (columns > 2) Epilogue.StoreTail(u2, at + 2 * (nint)Epilogue.Channels, n, channel, count);
                if (columns > 3) Epilogue.StoreTail(u3, at + 3 * (nint)Epilogue.Channels, n, channel, count);
            }
        }
    }
}
