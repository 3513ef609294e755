using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Pictures;

/// <summary>
/// Makes a pack: decodes on worker threads, writes in the order of the list. The file appears under its name when it is whole; before that it has another one.
/// </summary>
internal sealed class PackBuilder(PictureList list, PackSettings settings)
{
    public const string Magic = "NDPACK01";

    /// <summary>Bytes of the footer: where the index begins, the length of the file, the magic.</summary>
    public const int FooterBytes = 24;

    // Decoded photographs are large: more at once would take gigabytes.
    private const int MostWorkers = 8;

    private readonly List<int> _labels = [], _widths = [], _heights = [];
    private readonly List<byte> _channels = [];
    private readonly List<LeftOutPicture> _bad = [];
    private string _first = "";
    private int _enlarged;

    public void Write(string path, IProgress<int>? progress, CancellationToken cancellation)
    {
        AtomicFile.RemoveRemains(Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path));
        AtomicFile.Write(path, stream =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            WritePixels(stream, hash, progress, cancellation);
            WriteIndex(stream, hash);
        });
    }

    private void WritePixels(Stream stream, IncrementalHash hash, IProgress<int>? progress, CancellationToken cancellation)
    {
        int ahead = 2 * Math.Min(Environment.ProcessorCount, MostWorkers), done = 0;
        var running = new Queue<(PictureEntry Entry, Task<(Image? Image, bool Enlarged, LeftOutPicture? Bad)> Work)>();
        using var workers = new SemaphoreSlim(Math.Min(Environment.ProcessorCount, MostWorkers));
        try
        {
            foreach (var entry in list.Entries())
            {
                cancellation.ThrowIfCancellationRequested();
                running.Enqueue((entry, Task.Run(() => Decode(entry, workers), CancellationToken.None)));
                if (running.Count >= ahead) Take();
            }
            while (running.Count > 0)
            {
                cancellation.ThrowIfCancellationRequested();
                Take();
            }
        }
        finally
        {
            // A worker that is left may still use the semaphore.
            foreach (var (_, work) in running) work.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
        }
        if (_labels.Count == 0) throw new InvalidDataException($"'{list.Name}' holds no picture that can be read; the first of {_bad.Count}: {_bad[0].Name}: {_bad[0].Why}");

        void Take()
        {
            var (entry, work) = running.Dequeue();
            var (image, enlarged, bad) = work.GetAwaiter().GetResult();
            progress?.Report(++done);
            if (image is null) _bad.Add(bad!);
            else Append(stream, hash, entry, image, enlarged);
        }
    }

    private (Image? Image, bool Enlarged, LeftOutPicture? Bad) Decode(PictureEntry entry, SemaphoreSlim workers)
    {
        workers.Wait();
        try
        {
            var image = PictureReader.Decode(entry.Read(), entry.Name);
            return settings.Size is { } size ? (PictureFit.Apply(image, size, settings.Crop), Math.Min(image.Width, image.Height) < size, null) : (image, false, null);
        }
        catch (Exception e) when (settings.SkipBad && e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return (null, false, new LeftOutPicture(entry.Name, e.Message));
        }
        finally
        {
            workers.Release();
        }
    }

    private void Append(Stream stream, IncrementalHash hash, PictureEntry entry, Image image, bool enlarged)
    {
        if (_labels.Count == 0) _first = entry.Name;
        else if (settings.Size is null && (image.Width, image.Height) != (_widths[0], _heights[0]))
            throw new InvalidDataException(
                $"'{entry.Name}' is {image.Width} x {image.Height} but '{_first}' is {_widths[0]} x {_heights[0]}; give the size to bring all of them to (--size 64, for example).");
        stream.Write(image.Pixels.Span);
        hash.AppendData(image.Pixels.Span);
        _labels.Add(entry.Label);
        _widths.Add(image.Width);
        _heights.Add(image.Height);
        _channels.Add((byte)image.Channels);
        if (enlarged) _enlarged++;
    }

    private void WriteIndex(Stream stream, IncrementalHash hash)
    {
        long at = stream.Position;
        foreach (var numbers in new[] { _labels, _widths, _heights }) hash.AppendData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(numbers)));
        var index = new PackIndex
        {
            Count = _labels.Count, Height = settings.Size ?? _heights[0], Width = settings.Size ?? _widths[0], Channels = _channels.Max(), ClassNames = [.. list.ClassNames], Bad = [.. _bad],
            Enlarged = _enlarged, Hash = Convert.ToHexStringLower(hash.GetHashAndReset()),
        };
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(index, PackJson.Default.PackIndex);
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(number, json.Length);
        stream.Write(number[..4]);
        stream.Write(json);
        foreach (var numbers in new[] { _labels, _widths, _heights })
            foreach (int value in numbers)
            {
                BinaryPrimitives.WriteInt32LittleEndian(number, value);
                stream.Write(number[..4]);
            }
        stream.Write(CollectionsMarshal.AsSpan(_channels));
        BinaryPrimitives.WriteInt64LittleEndian(number, at);
        stream.Write(number);
        BinaryPrimitives.WriteInt64LittleEndian(number, stream.Position + 16);
        stream.Write(number);
        stream.Write("NDPACK01"u8);
    }
}
