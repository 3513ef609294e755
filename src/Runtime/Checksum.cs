using System.Buffers.Binary;
using System.Numerics;

namespace NativeDiffusion.Runtime;

/// <summary>CRC-32C (Castagnoli, as in iSCSI, RFC 3720), by the processor's instruction where it has one; may be fed in pieces.</summary>
internal struct Checksum()
{
    private uint _state = uint.MaxValue;

    /// <summary>The sum of what was added.</summary>
    public readonly uint Value => ~_state;

    /// <summary>The sum of some bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var sum = new Checksum();
        sum.Add(bytes);
        return sum.Value;
    }

    /// <summary>Adds the next bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        uint state = _state;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte value in bytes) state = BitOperations.Crc32C(state, value);
        _state = state;
    }
}
