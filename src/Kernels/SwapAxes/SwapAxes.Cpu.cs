namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.SwapAxes(TensorView x, TensorView y, bool accumulate)
    {
        var job = new SwapAxesJob(x.Pointer, y.Pointer, x.Shape[1], x.Shape[2], x.Shape[3], accumulate);
        Pool.Run(ref job, checked(x.Shape[0] * job.Bands));
    }

    /// <summary>A band of c for all b, in squares: what is read in long strides is used up before it leaves the cache.</summary>
    private readonly struct SwapAxesJob(float* x, float* y, int rows, int columns, int width, bool accumulate) : IWorkerJob
    {
        private const int Square = 16;

        public int Bands => (columns + Square - 1) / Square;

        public void Execute(int item, int worker)
        {
            nint plane = (nint)rows * columns * width, first = item / Bands * plane;
            int start = item % Bands * Square, end = Math.Min(columns, start + Square);
            for (int top = 0; top < rows; top += Square)
                for (int c = start; c < end; c++)
                    for (int b = top; b < Math.Min(rows, top + Square); b++)
                    {
                        float* from = x + first + ((nint)b * columns + c) * width, to = y + first + ((nint)c * rows + b) * width;
                        if (width == 1) *to = accumulate ? *to + *from : *from;
                        else if (!accumulate) new ReadOnlySpan<float>(from, width).CopyTo(new Span<float>(to, width));
                        else
                            for (int d = 0; d < width; d++) to[d] += from[d];
                    }
        }
    }
}
