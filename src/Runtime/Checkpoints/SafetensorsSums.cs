using System.Globalization;
using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Check sums of a safetensors file in its own metadata: eight hexadecimal digits for the header, with zeros in their place, then eight for the data of each tensor in the
/// header's order. Other readers see a text.
/// </summary>
internal static class SafetensorsSums
{
    public const string Key = "crc32c";

    private const int Digits = 8;

    private static ReadOnlySpan<byte> Zeros => "00000000"u8;

    private static ReadOnlySpan<byte> Mark => "\"crc32c\":\""u8;

    /// <summary>A text of the length of the sums.</summary>
    public static string Room(int tensors) => new('0', Digits * (1 + tensors));

    /// <summary>Puts the sums into a header that has room for them.</summary>
    public static void Fill(Span<byte> header, ReadOnlySpan<uint> tensors)
    {
        Span<byte> place = header[(header.IndexOf(Mark) + Mark.Length)..];
        for (int i = 0; i < tensors.Length; i++) Write(tensors[i], place[(Digits * (1 + i))..]);
        Write(Checksum.Of(header), place);
    }

    /// <summary>Checks the header's sum, and reads those of the tensors.</summary>
    /// <param name="file">Name for messages.</param>
    /// <param name="header">The header, as it stands in the file.</param>
    /// <param name="text">The sums.</param>
    /// <param name="tensors">How many tensors the header has.</param>
    /// <exception cref="CheckpointException">The header is damaged.</exception>
    public static uint[] Read(string file, ReadOnlySpan<byte> header, string text, int tensors)
    {
        int place = header.IndexOf(Mark) + Mark.Length;
        uint[] sums = new uint[1 + tensors];
        bool known = text.Length == Digits * sums.Length && place >= Mark.Length;
        for (int i = 0; known && i < sums.Length; i++)
            known = uint.TryParse(text.AsSpan(Digits * i, Digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out sums[i]);
        if (known)
        {
            Checksum sum = new();
            sum.Add(header[..place]);
            sum.Add(Zeros);
            sum.Add(header[(place + Digits)..]);
            known = text.AsSpan(0, Digits).SequenceEqual(Text(sum.Value));
        }
        return known ? sums[1..] : throw new CheckpointException(
            $"{file}: the header is not what was written: its check sum ('{Key}') is another. The file was damaged; or another program changed it, which leaves that key out of the metadata");
    }

    private static void Write(uint sum, Span<byte> place) => Encoding.ASCII.GetBytes(Text(sum), place);

    private static string Text(uint sum) => sum.ToString("x8", CultureInfo.InvariantCulture);
}
