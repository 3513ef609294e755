using System.Buffers.Binary;
using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>The opcodes of pickle protocol 2 that a state dict needs.</summary>
internal sealed class PickleWriter(Stream stream)
{
    private readonly Dictionary<string, int> _memo = new(StringComparer.Ordinal);

    public void Begin() => stream.Write([0x80, 2]);

    public void End() => Op('.');

    public void Mark() => Op('(');

    public void Tuple() => Op('t');

    public void EmptyTuple() => Op(')');

    public void EmptyDict() => Op('}');

    public void SetItems() => Op('u');

    public void Reduce() => Op('R');

    public void Build() => Op('b');

    public void PersistentId() => Op('Q');

    public void False() => stream.WriteByte(0x89);

    public void Global(string module, string name)
    {
        string line = $"{module}\n{name}\n";
        if (Recall(line))
            return;
        Op('c');
        stream.Write(Encoding.ASCII.GetBytes(line));
        Memoize(line);
    }

    /// <summary>A text that occurs many times.</summary>
    public void SharedText(string text)
    {
        if (Recall(text))
            return;
        Text(text);
        Memoize(text);
    }

    public void Text(string text)
    {
        Op('X');
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        stream.Write(length);
        stream.Write(bytes);
    }

    public void Number(long value)
    {
        Span<byte> bytes = stackalloc byte[10];
        (bytes[0], bytes[1]) = (0x8A, 8);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[2..], value);
        stream.Write(bytes);
    }

    public void Numbers(ReadOnlySpan<long> values)
    {
        Mark();
        foreach (long value in values)
            Number(value);
        Tuple();
    }

    private bool Recall(string key)
    {
        if (!_memo.TryGetValue(key, out int index))
            return false;
        Index('j', index);
        return true;
    }

    private void Memoize(string key)
    {
        Index('r', _memo.Count);
        _memo.Add(key, _memo.Count);
    }

    private void Index(char opcode, int index)
    {
        Op(opcode);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, index);
        stream.Write(bytes);
    }

    private void Op(char opcode) => stream.WriteByte((byte)opcode);
}
