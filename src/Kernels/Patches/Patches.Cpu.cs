using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.Patchify(TensorView image, int patch, TensorView tokens, bool accumulate) => MovePatches(image, tokens, patch, true, accumulate);

    /// <inheritdoc/>
    void IKernels.Unpatchify(TensorView tokens, int patch, TensorView image, bool accumulate) => MovePatches(image, tokens, patch, false, accumulate);

    private void MovePatches(TensorView image, TensorView tokens, int patch, bool toTokens, bool accumulate)
    {
        int width = image.Shape[2], channels = image.Shape[3];
        var job = new PatchesJob(image.Pointer, tokens.Pointer, patch, width / patch, patch * channels, toTokens, accumulate);
        Pool.Run(ref job, image.Shape[0] * (image.Shape[1] / patch));
    }

    /// <summary>A row of patches: each of their lines is contiguous on both sides.</summary>
    private readonly struct PatchesJob(float* image, float* tokens, int patch, int across, int line, bool toTokens, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            nint start = (nint)item * patch * across * line;
            for (int y = 0; y < patch; y++)
            {
                float* pixels = image + start + (nint)y * across * line, token = tokens + start + (nint)y * line;
                for (int x = 0; x < across; x++, pixels += line, token += (nint)patch * line)
                {
                    float* from = toTokens ? pixels : token, to = toTokens ? token : pixels;
                    if (!accumulate) new ReadOnlySpan<float>(from, line).CopyTo(new Span<float>(to, line));
                    else if (Avx512F.IsSupported) Add<Lanes512>(from, to);
                    else if (Fma.IsSupported && Avx2.IsSupported) Add<Lanes256>(from, to);
                    else Add<Lanes128>(from, to);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Add<V>(float* from, float* to)
            where V : unmanaged, ILanes<V>
        {
            nint i = 0;
            for (; i <= line - V.Count; i += V.Count) V.Store(to + i, V.Load(to + i) + V.Load(from + i));
            for (; i < line; i++) to[i] += from[i];
        }
    }
}
