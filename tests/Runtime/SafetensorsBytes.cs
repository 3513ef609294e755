using System.Buffers.Binary;
using System.Text;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Puts safetensors files together by hand, right or wrong.</summary>
internal static class SafetensorsBytes
{
    public static byte[] Make(string json, byte[] data) => Make(Encoding.UTF8.GetBytes(json), data);

    public static byte[] Make(byte[] header, byte[] data)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        return [.. prefix, .. header, .. data];
    }
}
