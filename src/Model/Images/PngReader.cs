using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace NativeDiffusion.Model.Images;

/// <summary>
/// Reads PNG pictures of every colour type, bit depth and interlacing as 8-bit grey or RGB. Samples of 16 bits are rounded to 8,
/// smaller ones scaled to 0..255, and transparency (alpha channel or tRNS) is composited over white. A palette of greys gives grey.
/// Gamma and colour profiles are ignored.
/// </summary>
public static class PngReader
{
    private const long MaxFileBytes = 1 << 30;
    private const long MaxDeflateRatio = 1032;

    /// <summary>Reads one file.</summary>
    /// <exception cref="InvalidDataException">It is not a sound PNG, or too large (see <see cref="Image"/>); the message names file and byte.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static Image Read(string path)
    {
        long length = new FileInfo(path) is { Exists: true } info ? info.Length : 0;
        if (length > MaxFileBytes)
            throw new InvalidDataException($"'{path}' has {length} bytes; PNG files are read up to {MaxFileBytes} bytes.");
        return Decode(File.ReadAllBytes(path), path);
    }

    /// <summary>Decodes the bytes of a whole file.</summary>
    /// <param name="file">All bytes.</param>
    /// <param name="name">How to call the file in an error.</param>
    /// <exception cref="InvalidDataException">It is not a sound PNG, or too large; the message gives the name and the byte.</exception>
    public static Image Decode(ReadOnlySpan<byte> file, string name)
    {
        if (!file.StartsWith(PngFormat.Signature))
            throw Bad(name, 0, "the PNG signature is missing");

        PngHeader? header = null;
        byte[]? palette = null, transparency = null;
        MemoryStream packed = new();
        int position = PngFormat.Signature.Length, dataStart = 0;
        uint previous = 0;
        while (true)
        {
            (uint type, ReadOnlySpan<byte> data) = ReadChunk(file, position, name);
            if ((header is null) != (type == PngFormat.Ihdr))
                throw Bad(name, position, header is null ? "the first chunk is not IHDR" : "a second IHDR chunk follows");
            switch (type)
            {
                case PngFormat.Ihdr:
                    header = PngHeader.Parse(data) ?? throw Bad(name, position, $"the IHDR chunk is invalid ({Convert.ToHexString(data)})");
                    if (header.Width > Image.MaxSide || header.Height > Image.MaxSide || (long)header.Width * header.Height > Image.MaxPixels)
                        throw Bad(name, position,
                            $"{header.Width} x {header.Height} pixels are more than the limit of {Image.MaxSide} per side and {Image.MaxPixels} in all");
                    break;
                case PngFormat.Plte:
                    if (palette is not null || dataStart != 0 || data.Length % 3 != 0 || data.Length is 0 or > 768)
                        throw Bad(name, position, $"a PLTE chunk of {data.Length} bytes is out of place or has a wrong length");
                    palette = data.ToArray();
                    break;
                case PngFormat.Trns:
                    if (transparency is not null || dataStart != 0 || !header!.AllowsTransparency(data.Length, palette))
                        throw Bad(name, position, $"a tRNS chunk of {data.Length} bytes is out of place or has a wrong length");
                    transparency = data.ToArray();
                    break;
                case PngFormat.Idat:
                    if (dataStart != 0 && previous != PngFormat.Idat)
                        throw Bad(name, position, "the IDAT chunks are not consecutive");
                    dataStart = dataStart == 0 ? position : dataStart;
                    packed.Write(data);
                    break;
                case PngFormat.Iend:
                    if (dataStart == 0)
                        throw Bad(name, position, "there is no IDAT chunk before IEND");
                    if (header!.ColourType == PngFormat.Palette && palette is null)
                        throw Bad(name, position, "the PLTE chunk is missing");
                    return DecodePixels(packed, new PngPixels(header, palette, transparency), name, dataStart);
                default:
                    // Bit 5 of the first letter is clear in chunks without which the picture cannot be understood.
                    if ((type & 0x20000000) == 0)
                        throw Bad(name, position, $"the critical chunk '{ChunkName(type)}' is unknown");
                    break;
            }

            previous = type;
            position += 12 + data.Length;
        }
    }

    private static ChunkView ReadChunk(ReadOnlySpan<byte> file, int position, string name)
    {
        if (file.Length - position < 12)
            throw Bad(name, position, "the file is truncated: a chunk should start");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(file[position..]);
        uint type = BinaryPrimitives.ReadUInt32BigEndian(file[(position + 4)..]);
        if (length > file.Length - position - 12)
            throw Bad(name, position, $"the file is truncated: chunk '{ChunkName(type)}' declares {length} bytes, {file.Length - position - 12} remain");
        ReadOnlySpan<byte> typeAndData = file.Slice(position + 4, 4 + (int)length);
        uint declared = BinaryPrimitives.ReadUInt32BigEndian(file[(position + 8 + (int)length)..]);
        if (PngFormat.Crc(typeAndData) != declared)
            throw Bad(name, position, $"the check sum of chunk '{ChunkName(type)}' is wrong");
        return new ChunkView(type, typeAndData[4..]);
    }

    private static Image DecodePixels(MemoryStream packed, PngPixels pixels, string name, int dataStart)
    {
        PngHeader header = pixels.Header;
        // Checked before anything is allocated for the picture: so few bytes cannot expand to that many.
        if (header.RawBytes() > packed.Length * MaxDeflateRatio)
            throw Bad(name, dataStart, $"{packed.Length} bytes of IDAT cannot hold {header.Width} x {header.Height} pixels");
        packed.Position = 0;
        try
        {
            using ZLibStream raw = new(packed, CompressionMode.Decompress);
            byte[] result = pixels.Decode(raw);
            if (raw.ReadByte() >= 0)
                throw new InvalidDataException("it holds more than the declared pixels");
            return new Image(header.Width, header.Height, pixels.Channels, result);
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            throw new InvalidDataException(Describe(name, dataStart, $"the IDAT data are damaged ({exception.Message.TrimEnd('.')})"), exception);
        }
    }

    private static InvalidDataException Bad(string name, int position, string problem) => new(Describe(name, position, problem));

    private static string Describe(string name, int position, string problem) => $"'{name}' is not a readable PNG: {problem} at byte {position}.";

    private static string ChunkName(uint type)
    {
        Span<byte> letters = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(letters, type);
        foreach (byte letter in letters)
            if (!char.IsAsciiLetter((char)letter))
                return $"0x{type:x8}";
        return Encoding.ASCII.GetString(letters);
    }

    private readonly ref struct ChunkView(uint type, ReadOnlySpan<byte> data)
    {
        private readonly ReadOnlySpan<byte> _data = data;

        internal void Deconstruct(out uint chunkType, out ReadOnlySpan<byte> chunkData)
        {
            chunkType = type;
            chunkData = _data;
        }
    }
}
