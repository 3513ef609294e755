using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Pictures;

/// <summary>Pictures in the middle of a square, with black around them.</summary>
internal sealed class PaddedImages : ITrainingImages
{
    private const float Black = -1;

    private readonly ITrainingImages _images;
    private readonly int _size;

    public PaddedImages(ITrainingImages images, int size)
    {
        if (size < images.Height || size < images.Width)
            throw new ArgumentException($"Images of {images.Height} x {images.Width} cannot be padded to {size} x {size}: the target is smaller.");
        (_images, _size) = (images, size);
    }

    public int Count => _images.Count;

    public int Height => _size;

    public int Width => _size;

    public int Channels => _images.Channels;

    public ReadOnlyMemory<int> Labels => _images.Labels;

    public IReadOnlyList<string> ClassNames => _images.ClassNames;

    public void CopyRow(int index, double across, double down, Span<float> destination)
    {
        int height = _images.Height, line = _images.Width * Channels, top = (_size - height) / 2, left = (_size - _images.Width) / 2;
        float[] inner = new float[height * line];
        _images.CopyRow(index, across, down, inner);
        destination.Fill(Black);
        for (int y = 0; y < height; y++) inner.AsSpan(y * line, line).CopyTo(destination[(((top + y) * _size + left) * Channels)..]);
    }

    public ITrainingImages PadTo(int size) => size == _size ? this : new PaddedImages(_images, size);

    public string Fingerprint() => _images.Fingerprint();
}
