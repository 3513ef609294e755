using System.Buffers.Binary;

namespace NativeDiffusion.Pictures;

/// <summary>What the decoders do not say: whether a file has its end, and a colour profile.</summary>
internal static class WholeFile
{
    private const byte Marker = 0xff, Progressive = 0xc2, StartOfScan = 0xda, End = 0xd9;

    /// <summary>Whether the end is there, as far as the container tells. Other kinds are told by their decoders.</summary>
    public static bool HasEnd(ReadOnlySpan<byte> file, string kind) => kind switch
    {
        "JPEG" => HasLastScan(file),
        "WebP" => BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L <= file.Length,
        _ => true,
    };

    /// <summary>Whether a PNG carries a colour profile. What it says about gamma is not one: programs write it that mean sRGB.</summary>
    public static bool HasPngProfile(ReadOnlySpan<byte> file)
    {
        for (int at = 8; at + 12 <= file.Length;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
            var type = file.Slice(at + 4, 4);
            if (type.SequenceEqual("iCCP"u8)) return true;
            if (type.SequenceEqual("IDAT"u8) || length > file.Length - at - 12) return false;
            at += 12 + (int)length;
        }
        return false;
    }

    // Of a progressive JPEG that ends early, the decoder makes a coarse picture and calls it a success.
    private static bool HasLastScan(ReadOnlySpan<byte> file)
    {
        bool progressive = false;
        for (int at = 2; at + 4 <= file.Length;)
        {
            if (file[at] != Marker || file[at + 1] is 0 or Marker or (>= 0xd0 and <= 0xd8))
            {
                int next = file[(at + 1)..].IndexOf(Marker);
                if (next < 0) return !progressive;
                at += 1 + next;
                continue;
            }
            byte type = file[at + 1];
            if (type == End) return true;
            progressive |= type == Progressive;
            if (type == StartOfScan && !progressive) return true;
            at += 2 + BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
        }
        return !progressive || (file[^2] == Marker && file[^1] == End);
    }
}
