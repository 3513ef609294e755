using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using NativeDiffusion.Runtime;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Pictures;

/// <summary>
/// Pictures of one size in a file that is mapped into memory: made once from a <see cref="PictureList"/>, read by trainings as fast as memory, and reused as long as files
/// and settings stay the same. May be shared between threads; disposing it while a training uses it is an error.
/// </summary>
public sealed unsafe class PicturePack : ITrainingImages, IDisposable
{
    private const string Ending = ".pack";

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _pixels;
    private readonly PackIndex _index;
    private readonly int[] _labels, _widths, _heights;
    private readonly byte[] _channels;
    private readonly long[] _offsets;
    private bool _isDisposed;

    private PicturePack(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, PackIndex index, int[][] numbers, byte[] channels, IReadOnlyList<LeftOutPicture> leftOut)
    {
        (Path, _file, _view, _index, _channels) = (path, file, view, index, channels);
        (_labels, _widths, _heights) = (numbers[0], numbers[1], numbers[2]);
        LeftOut = [.. leftOut, .. index.Bad];
        _offsets = new long[index.Count];
        for (int i = 1; i < index.Count; i++) _offsets[i] = _offsets[i - 1] + (long)_widths[i - 1] * _heights[i - 1] * channels[i - 1];
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _pixels = start;
    }

    /// <summary>The pack's file.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public int Count => _index.Count;

    /// <inheritdoc/>
    public int Height => _index.Height;

    /// <inheritdoc/>
    public int Width => _index.Width;

    /// <inheritdoc/>
    public int Channels => _index.Channels;

    /// <inheritdoc/>
    public ReadOnlyMemory<int> Labels => _labels;

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => _index.ClassNames;

    /// <summary>Files that are not in the pack, and why.</summary>
    public IReadOnlyList<LeftOutPicture> LeftOut { get; }

    /// <summary>How many pictures were smaller than the pack's size.</summary>
    public int Enlarged => _index.Enlarged;

    /// <summary>Whether the pack was there already.</summary>
    public bool WasReused { get; private init; }

    /// <summary>Where the pack of a list lies, whether it is there or not.</summary>
    /// <param name="list">The pictures.</param>
    /// <param name="settings">Size and crop.</param>
    /// <param name="folder">The folder of packs.</param>
    public static string PathOf(PictureList list, PackSettings settings, string folder)
    {
        settings.Validate();
        string key = $"{PackBuilder.Magic}\n{settings.Size}\n{settings.Crop}\n{string.Join('\n', list.ClassNames)}\n{list.State}";
        return System.IO.Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..20] + Ending);
    }

    /// <summary>Opens the pack of a list, or makes it where there is none of these files and settings.</summary>
    /// <param name="list">The pictures.</param>
    /// <param name="settings">Size, crop, what becomes of files that cannot be read.</param>
    /// <param name="folder">The folder of packs; made if need be. What is in it may be deleted at any time: a pack is made again.</param>
    /// <param name="progress">Told how many pictures are decoded.</param>
    /// <param name="cancellation">Checked between pictures; nothing is left behind.</param>
    /// <exception cref="InvalidDataException">A file cannot be read (the message says what it is) and <see cref="PackSettings.SkipBad"/> is off, none can, or they differ in size and none is given.</exception>
    /// <exception cref="IOException">A file or the pack cannot be read or written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PicturePack Open(PictureList list, PackSettings settings, string folder, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        string path = PathOf(list, settings, folder);
        if (TryOpen(path, list, reused: true) is { } there)
        {
            if (settings.SkipBad || there._index.Bad.Length == 0) return there;
            using (there) throw new InvalidDataException(there._index.Bad[0].Why);
        }
        new PackBuilder(list, settings).Write(path, progress, cancellation);
        return TryOpen(path, list, reused: false) ?? throw new IOException($"The pack '{path}' that was just written cannot be read.");
    }

    /// <inheritdoc/>
    public void CopyRow(int index, double across, double down, Span<float> destination)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        if (destination.Length != Height * Width * Channels)
            throw new ArgumentException($"A picture has {Height} x {Width} x {Channels} values; got room for {destination.Length}.");
        int channels = _channels[index], width = _widths[index];
        int left = (int)(across * (width - Width + 1)), top = (int)(down * (_heights[index] - Height + 1)), row = Width * Channels;
        left = Math.Clamp(left, 0, width - Width);
        top = Math.Clamp(top, 0, _heights[index] - Height);
        for (int y = 0; y < Height; y++)
        {
            var line = new ReadOnlySpan<byte>(_pixels + _offsets[index] + ((long)(top + y) * width + left) * channels, Width * channels);
            var target = destination.Slice(y * row, row);
            if (channels == Channels) PixelConversion.ToFloat(line, target);
            else
                for (int x = 0; x < Width; x++) target.Slice(3 * x, 3).Fill(line[x] / 127.5f - 1f);
        }
    }

    /// <inheritdoc/>
    public ITrainingImages PadTo(int size) => (size, size) == (Height, Width) ? this : new PaddedImages(this, size);

    /// <inheritdoc/>
    public string Fingerprint() => _index.Hash[..16];

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    /// <summary>The pack at a path; null where there is none, or something else.</summary>
    private static PicturePack? TryOpen(string path, PictureList list, bool reused)
    {
        if (!File.Exists(path)) return null;
        using var stream = InputFile.Open(path);
        byte[] footer = new byte[PackBuilder.FooterBytes];
        if (stream.Length < footer.Length) return null;
        stream.Seek(-footer.Length, SeekOrigin.End);
        stream.ReadExactly(footer);
        long at = BinaryPrimitives.ReadInt64LittleEndian(footer), length = BinaryPrimitives.ReadInt64LittleEndian(footer.AsSpan(8));
        if (Encoding.ASCII.GetString(footer, 16, 8) != PackBuilder.Magic || length != stream.Length || at < 0 || at > length - footer.Length) return null;
        stream.Position = at;
        using var reader = new BinaryReader(stream);
        if (ReadIndex(reader) is not var (index, numbers, channels) || (reused && HashOf(stream, at, numbers) != index.Hash)) return null;
        var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        return new PicturePack(path, file, file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read), index, numbers, channels, list.LeftOut) { WasReused = reused };
    }

    private static (PackIndex Index, int[][] Numbers, byte[] Channels)? ReadIndex(BinaryReader reader)
    {
        try
        {
            var index = JsonSerializer.Deserialize(reader.ReadBytes(reader.ReadInt32()), PackJson.Default.PackIndex);
            if (index is null || index.Count < 0 || index.Count > reader.BaseStream.Length) return null;
            int[][] numbers = [new int[index.Count], new int[index.Count], new int[index.Count]];
            foreach (int[] row in numbers)
                for (int i = 0; i < row.Length; i++) row[i] = reader.ReadInt32();
            return (index, numbers, reader.ReadBytes(index.Count));
        }
        catch (Exception e) when (e is JsonException or EndOfStreamException or ArgumentException)
        {
            return null;
        }
    }

    // Also brings the pixels into memory, where the training will want them.
    private static string HashOf(FileStream stream, long pixels, int[][] numbers)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        stream.Position = 0;
        for (long left = pixels; left > 0;)
        {
            int got = stream.Read(buffer, 0, (int)Math.Min(buffer.Length, left));
            if (got == 0) return "";
            hash.AppendData(buffer, 0, got);
            left -= got;
        }
        foreach (int[] row in numbers) hash.AppendData(MemoryMarshal.AsBytes(row.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
