using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli;

/// <summary>
/// The finished images of a run that is not, in a file beside its output: a line of JSON that says of which run, then for each image its number, a check sum and its pixels.
/// The same command takes them from there and goes on; the file goes when the output is written.
/// </summary>
internal sealed class SampleStore : IDisposable
{
    private const int LongestHeader = 1 << 12, HeadBytes = 8;

    private readonly FileStream _file;
    private readonly Image _example;

    private SampleStore(FileStream file, Image example, ulong seed) => (_file, _example, Seed) = (file, example, seed);

    /// <summary>The file.</summary>
    public string Path => _file.Name;

    /// <summary>Seed of the run; of one that is continued, that of its beginning.</summary>
    public ulong Seed { get; private set; }

    /// <summary>The images that were finished, by their numbers.</summary>
    public Dictionary<int, Image> Images { get; } = [];

    /// <summary>Opens the file of an output, or makes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="run">What makes the images what they are, but for a seed that was drawn.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="count">How many images the run has.</param>
    /// <param name="example">An image of their size.</param>
    /// <exception cref="IOException">The file is of another run, of one at work, or cannot be written.</exception>
    public static SampleStore Open(string path, string run, ulong seed, int count, Image example)
    {
        InputFile.RequireRegular(path);
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new IOException($"'{path}' is open: another run is making the same output. Wait for it, or choose another --out.", e);
        }
        var store = new SampleStore(file, example, seed);
        try
        {
            store.Begin(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{run}\n{count}\n{example.Width}x{example.Height}x{example.Channels}"))), count);
            return store;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Keeps an image.</summary>
    /// <exception cref="IOException">The disk is full.</exception>
    public void Add(int number, Image image)
    {
        byte[] record = new byte[HeadBytes + image.Pixels.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, number);
        image.Pixels.CopyTo(record.AsMemory(HeadBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), SumOf(record));
        _file.Write(record);
        _file.Flush();
        Images[number] = image;
    }

    /// <summary>Removes the file: its images are in the output.</summary>
    public void Finish()
    {
        Images.Clear();
        Dispose();
    }

    public void Dispose()
    {
        // Deleted while it is locked, so that no other run has begun to use it.
        if (Images.Count == 0 && !_file.SafeFileHandle.IsClosed) File.Delete(_file.Name);
        _file.Dispose();
    }

    private void Begin(string run, int count)
    {
        if (ReadHeader() is not { } header)
        {
            _file.SetLength(0);
            _file.Write(Encoding.UTF8.GetBytes(new JsonObject { ["run"] = run, ["seed"] = Seed, ["images"] = count }.ToJsonString() + "\n"));
            _file.Flush();
            return;
        }
        if (header.Run != run)
            throw new IOException(
                $"'{Path}' keeps images of another 'sample', which was interrupted. Give that command again to finish it, or delete the file, or choose another --out.");
        Seed = header.Seed;
        ReadImages(count);
    }

    private (string Run, ulong Seed)? ReadHeader()
    {
        byte[] start = new byte[LongestHeader];
        int length = start.AsSpan(0, _file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)).IndexOf((byte)'\n');
        if (length < 0) return null;
        _file.Position = length + 1;
        try
        {
            return JsonNode.Parse(start.AsSpan(0, length)) is JsonObject header ? (header["run"]!.GetValue<string>(), header["seed"]!.GetValue<ulong>()) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NullReferenceException or FormatException)
        {
            throw new IOException($"'{Path}' is in the way: it should keep images of an interrupted 'sample', and is something else. Choose another --out.", e);
        }
    }

    // Up to the first that is not whole: the process ended, or the disk was full, while it was written.
    private void ReadImages(int count)
    {
        byte[] record = new byte[HeadBytes + _example.Pixels.Length];
        long whole = _file.Position;
        while (_file.ReadAtLeast(record, record.Length, throwOnEndOfStream: false) == record.Length)
        {
            int number = BinaryPrimitives.ReadInt32LittleEndian(record);
            if (number < 0 || number >= count || BinaryPrimitives.ReadUInt32LittleEndian(record.AsSpan(4)) != SumOf(record)) break;
            Images[number] = new Image(_example.Width, _example.Height, _example.Channels, record[HeadBytes..]);
            whole = _file.Position;
        }
        _file.SetLength(whole);
        _file.Position = whole;
    }

    private static uint SumOf(ReadOnlySpan<byte> record) => Checksum.Of(record[HeadBytes..]) ^ BinaryPrimitives.ReadUInt32LittleEndian(record);
}
