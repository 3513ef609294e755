using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void Patchify(TensorView image, int patch, TensorView tokens, bool accumulate) => MovePatches(image, tokens, patch, image, tokens, accumulate);

    /// <inheritdoc/>
    public void Unpatchify(TensorView tokens, int patch, TensorView image, bool accumulate) => MovePatches(image, tokens, patch, tokens, image, accumulate);

    private void MovePatches(TensorView image, TensorView tokens, int patch, TensorView from, TensorView to, bool accumulate)
    {
        int line = patch * image.Shape[3];
        int vectors = InVectors(line, image, tokens), unit = Unit(vectors);
        var kernel = new PatchesKernel
        {
            From = View(from), To = View(to), Patch = patch, Across = image.Shape[2] / patch, Line = line / unit, Count = image.Count / unit,
            FromImage = from.Shape.Rank == 4 ? 1 : 0, Accumulate = accumulate ? 1 : 0, Vectors = vectors,
        };
        LaunchEach(kernel, kernel.Count);
    }
}

/// <summary>One element of the image, or four if <see cref="Vectors"/> is set; lines count these.</summary>
internal struct PatchesKernel : IGpuKernel
{
    public ArrayView<float> From, To;
    public long Count;
    public int Patch, Across, Line, FromImage, Accumulate, Vectors;

    public readonly void Run()
    {
        long pixel = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (pixel >= Count) return;
        long lines = pixel / Line, rows = lines / Across, patches = rows / Patch;
        long column = lines - rows * Across, y = rows - patches * Patch;
        long token = ((patches * Across + column) * Patch + y) * Line + (pixel - lines * Line);
        long from = FromImage != 0 ? pixel : token, to = FromImage != 0 ? token : pixel;
        if (Vectors != 0)
        {
            var value = From.Cast<F4>()[from];
            To.Cast<F4>()[to] = Accumulate != 0 ? GpuLoad.Add(To.Cast<F4>()[to], value) : value;
        }
        else To[to] = Accumulate != 0 ? To[to] + From[from] : From[from];
    }
}
