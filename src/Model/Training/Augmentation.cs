using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Training;

/// <summary>
/// Moves and mirrors training images, by numbers of the seed, the step and the row. Pixels that come from outside repeat the border, which is background
/// wherever images were padded: a shift is a random crop of an image with so wide a frame.
/// </summary>
/// <param name="seed">The training's seed.</param>
/// <param name="size">Height and width.</param>
/// <param name="channels">Channels.</param>
/// <param name="maxShift">Largest shift up, down, left and right, in pixels; 0 for none.</param>
/// <param name="flip">Whether half of the images are mirrored.</param>
internal sealed class Augmentation(ulong seed, int size, int channels, int maxShift, bool flip)
{
    private const uint FlipAxis = 2;
    private readonly float[] _source = new float[size * size * channels];

    /// <summary>Whether images change at all.</summary>
    public bool IsActive => maxShift > 0 || flip;

    /// <summary>Changes the images [N, S, S, C] of a step in place.</summary>
    public void Apply(uint step, Span<float> images)
    {
        if (!IsActive) return;
        for (int row = 0; row < images.Length / _source.Length; row++)
        {
            int down = Shift(row, step, 0), right = Shift(row, step, 1);
            bool mirrored = flip && Uniform(row, step, FlipAxis) < 0.5;
            if (down == 0 && right == 0 && !mirrored) continue;
            var image = images.Slice(row * _source.Length, _source.Length);
            image.CopyTo(_source);
            for (int y = 0; y < size; y++)
            {
                int line = Math.Clamp(y - down, 0, size - 1) * size;
                for (int x = 0; x < size; x++)
                {
                    int column = Math.Clamp((mirrored ? size - 1 - x : x) - right, 0, size - 1);
                    _source.AsSpan((line + column) * channels, channels).CopyTo(image[((y * size + x) * channels)..]);
                }
            }
        }
    }

    private int Shift(int row, uint step, uint axis) => (int)(Uniform(row, step, axis) * (2 * maxShift + 1)) - maxShift;

    private double Uniform(int row, uint step, uint axis) => Philox.Uniform(seed, (uint)row, step, RandomStream.Augment, axis);
}
