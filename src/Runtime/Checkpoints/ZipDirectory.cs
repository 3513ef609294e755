using System.Buffers.Binary;
using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>One file inside a zip archive.</summary>
/// <param name="Name">Path inside the archive.</param>
/// <param name="Deflated">Whether it is compressed; stored as it is otherwise.</param>
/// <param name="Size">Bytes of the content.</param>
/// <param name="Packed">Bytes that they take in the archive.</param>
/// <param name="Header">Position of the entry's own header.</param>
/// <param name="End">Where the next entry begins, or the directory.</param>
internal sealed record ZipEntry(string Name, bool Deflated, long Size, long Packed, long Header, long End);

/// <summary>
/// The directory of a zip archive (PKWARE APPNOTE 6.3, with the 64-bit extensions), checked in full: entries that overlap, lie outside the file,
/// are encrypted, or claim more than deflate can hold are refused. Nothing is extracted.
/// </summary>
internal sealed class ZipDirectory
{
    private const int EndLength = 22, LocatorLength = 20, End64Length = 56, EntryLength = 46, LocalLength = 30;
    private const int LongestDirectory = 1 << 28;
    private const int MostDeflation = 1032;

    private readonly string _file;
    private readonly ByteSource _source;

    private ZipDirectory(string file, ByteSource source) => (_file, _source) = (file, source);

    /// <summary>The entries in the directory's order; folders are left out.</summary>
    public List<ZipEntry> Entries { get; } = [];

    /// <exception cref="CheckpointException">The archive is damaged or hostile.</exception>
    public static ZipDirectory Read(string file, ByteSource source)
    {
        ZipDirectory directory = new(file, source);
        (long start, long length, long count) = directory.FindDirectory();
        directory.ReadEntries(start, length, count);
        directory.Separate(start);
        return directory;
    }

    /// <summary>The content of an entry.</summary>
    /// <exception cref="CheckpointException">The entry's own header is damaged or disagrees with the directory.</exception>
    public TensorStorage Open(ZipEntry entry)
    {
        Span<byte> header = stackalloc byte[LocalLength];
        _source.Read(entry.Header, header);
        long start = entry.Header + LocalLength + U16(header, 26) + U16(header, 28);
        if (U32(header, 0) != 0x04034B50 || start + entry.Packed > entry.End || U16(header, 8) != (entry.Deflated ? 8 : 0))
            throw Wrong($"the header of {CheckpointException.Quote(entry.Name)} does not fit its entry in the directory");
        RawStorage packed = new(_source, start, entry.Packed);
        return entry.Deflated ? new DeflatedStorage(packed, entry.Size) : packed;
    }

    private (long Start, long Length, long Count) FindDirectory()
    {
        byte[] tail = new byte[Math.Min(_source.Length, EndLength + ushort.MaxValue)];
        long tailStart = _source.Length - tail.Length;
        _source.Read(tailStart, tail);
        for (int at = tail.Length - EndLength; at >= 0; at--)
        {
            ReadOnlySpan<byte> end = tail.AsSpan(at);
            if (U32(end, 0) != 0x06054B50 || at + EndLength + U16(end, 20) != tail.Length)
                continue;
            (long start, long length, long count) = (U32(end, 16), U32(end, 12), U16(end, 10));
            long limit = tailStart + at;
            if (start == uint.MaxValue || length == uint.MaxValue || count == ushort.MaxValue)
                FindDirectory64(limit, ref start, ref length, ref count, ref limit);
            if (start < 0 || length < 0 || count < 0 || start > limit || length > limit - start)
                throw Wrong($"its directory of {length} bytes at {start} lies outside the file; it is cut short or damaged");
            if (length > LongestDirectory || count > length / EntryLength)
                throw Wrong($"a directory of {length} bytes with {count} entries is not that of a checkpoint");
            return (start, length, count);
        }
        throw Wrong("it begins like a zip archive but has no directory at its end; it is cut short or damaged");
    }

    private void FindDirectory64(long end, ref long start, ref long length, ref long count, ref long limit)
    {
        if (end < LocatorLength)
            return;
        Span<byte> locator = stackalloc byte[LocatorLength];
        _source.Read(end - LocatorLength, locator);
        if (U32(locator, 0) != 0x07064B50)
            return; // an old archive with exactly 65535 entries
        long at = S64(locator, 8);
        if (at < 0 || at > end - LocatorLength - End64Length)
            throw Wrong("its 64-bit directory lies outside the file; it is cut short or damaged");
        Span<byte> record = stackalloc byte[End64Length];
        _source.Read(at, record);
        if (U32(record, 0) != 0x06064B50)
            throw Wrong("its 64-bit directory is damaged");
        (count, length, start, limit) = (S64(record, 32), S64(record, 40), S64(record, 48), at);
    }

    private void ReadEntries(long start, long length, long count)
    {
        byte[] directory = new byte[length];
        _source.Read(start, directory);
        Entries.Capacity = (int)count;
        HashSet<string> names = new((int)count, StringComparer.Ordinal);
        int at = 0;
        for (long i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = directory.AsSpan(at);
            if (entry.Length < EntryLength || U32(entry, 0) != 0x02014B50)
                throw Wrong($"entry {i} of its directory is damaged");
            int nameLength = U16(entry, 28), extraLength = U16(entry, 30), next = EntryLength + nameLength + extraLength + U16(entry, 32);
            if (next > entry.Length)
                throw Wrong($"entry {i} of its directory is cut short");
            string name = Encoding.UTF8.GetString(entry.Slice(EntryLength, nameLength));
            Add(name, entry, entry.Slice(EntryLength + nameLength, extraLength), start, names);
            at += next;
        }
    }

    private void Add(string name, ReadOnlySpan<byte> entry, ReadOnlySpan<byte> extra, long directoryStart, HashSet<string> names)
    {
        (long packed, long size, long header) = (U32(entry, 20), U32(entry, 24), U32(entry, 42));
        ReadExtra(extra, ref size, ref packed, ref header);
        int method = U16(entry, 10);
        if (name.EndsWith('/') && size == 0)
            return;
        string quoted = CheckpointException.Quote(name);
        if (method is not (0 or 8))
            throw Wrong($"entry {quoted} is compressed by method {method}; only stored and deflated ones are read");
        if ((U16(entry, 8) & 0x2041) != 0)
            throw Wrong($"entry {quoted} is encrypted");
        if (size < 0 || packed < 0 || header < 0 || header > directoryStart - LocalLength || packed > directoryStart - LocalLength - header)
            throw Wrong($"entry {quoted} of {packed} bytes at {header} lies outside the file; it is cut short or damaged");
        if (method == 0 ? size != packed : size > (packed + 1) * MostDeflation)
            throw Wrong($"entry {quoted} claims {size} bytes in {packed}, which cannot be");
        if (!names.Add(name))
            throw Wrong($"entry {quoted} occurs twice");
        Entries.Add(new ZipEntry(name, method == 8, size, packed, header, directoryStart));
    }

    // 64-bit values stand in an extra field, only those that did not fit, in this order.
    private static void ReadExtra(ReadOnlySpan<byte> extra, ref long size, ref long packed, ref long header)
    {
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), length = Math.Min(U16(extra, 2), extra.Length - 4);
            ReadOnlySpan<byte> field = extra.Slice(4, length);
            extra = extra[(4 + length)..];
            if (id != 1)
                continue;
            int at = 0;
            Widen(field, ref at, ref size);
            Widen(field, ref at, ref packed);
            Widen(field, ref at, ref header);
            return;
        }
    }

    private static void Widen(ReadOnlySpan<byte> field, ref int at, ref long value)
    {
        if (value != uint.MaxValue || field.Length < at + 8)
            return;
        value = S64(field, at);
        at += 8;
    }

    // Overlapping entries are how a small archive claims more than it has.
    private void Separate(long directoryStart)
    {
        int[] order = [.. Enumerable.Range(0, Entries.Count).OrderBy(i => Entries[i].Header)];
        for (int i = 0; i < order.Length; i++)
        {
            ZipEntry entry = Entries[order[i]];
            long end = i + 1 < order.Length ? Entries[order[i + 1]].Header : directoryStart;
            if (entry.Header + LocalLength + entry.Packed > end)
                throw Wrong($"entry {CheckpointException.Quote(entry.Name)} overlaps what follows it");
            Entries[order[i]] = entry with { End = end };
        }
    }

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long S64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);

    private CheckpointException Wrong(string what) => new($"{_file}: {what}");
}
