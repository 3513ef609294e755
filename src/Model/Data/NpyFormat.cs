using System.Text;

namespace NativeDiffusion.Model.Data;

/// <summary>Writes the <c>.npy</c> file format, version 1: magic, header (a Python dictionary as text), values.</summary>
internal static class NpyFormat
{
    private static readonly string[] Descriptions = ["|u1", "<i4", "<i8", "<f4", "<f8"];

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    internal static void Write(Stream stream, NpyArray array)
    {
        string shape = array.Shape.Count == 1 ? $"{array.Shape[0]}," : string.Join(", ", array.Shape);
        string header = $"{{'descr': '{Descriptions[(int)array.Type]}', 'fortran_order': False, 'shape': ({shape}), }}";
        // Spaces make magic, version, length and header, which ends in a line feed, a multiple of 64 bytes.
        header = header.PadRight((10 + header.Length + 1 + 63) / 64 * 64 - 11) + "\n";
        stream.Write(Magic);
        stream.Write([1, 0, (byte)header.Length, (byte)(header.Length >> 8)]);
        stream.Write(Encoding.ASCII.GetBytes(header));
        stream.Write(array.Data.Span);
    }
}
