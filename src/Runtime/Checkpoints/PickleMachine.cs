using System.Numerics;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Reads Python pickles, protocols 1 to 5, into inert values. Nothing is imported, looked up or called: a global is a name, a call a
/// <see cref="PickleRecord"/>. Time and memory are bounded by the length of the file.
/// </summary>
/// <param name="file">Its name, for messages.</param>
/// <param name="input">The pickle.</param>
/// <param name="fileBytes">Bytes of the file, in which the pickle may be compressed.</param>
internal sealed class PickleMachine(string file, PickleInput input, long fileBytes)
{
    // A tensor takes 100 bytes and more in a pickle, and some 700 here.
    private const int MemoryPerByte = 12, FreeMemory = 24 << 20;
    private const int MostOpcodes = 1 << 26;

    // Of objects, as .NET lays them out.
    private const int ObjectBytes = 24, ContainerBytes = 96, SlotBytes = 16;

    private static readonly object?[] EmptyTuple = [];
    private static readonly object[] SmallNumbers = [.. Enumerable.Range(0, 256).Select(i => (object)(long)i)];
    private static readonly object True = true;
    private static readonly object False = false;

    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly List<object?> _memo = [];
    private readonly long _mostMemory = MemoryPerByte * fileBytes + FreeMemory;
    private int _opcodes;
    private long _memory;

    /// <summary>Every persistent identity met so far, in order.</summary>
    public List<PicklePersistentId> PersistentIds { get; } = [];

    /// <summary>Reads the next pickle up to its end.</summary>
    /// <exception cref="CheckpointException">It is damaged, uses an opcode that no checkpoint has, or is too large.</exception>
    public object? Run()
    {
        _stack.Clear();
        _marks.Clear();
        _memo.Clear();
        while (true)
        {
            long position = input.Position;
            byte opcode = input.ReadByte();
            _memory += SlotBytes / 2;
            if (++_opcodes > MostOpcodes || _memory > _mostMemory)
                throw new CheckpointException($"{file}: the pickle has more than {MostOpcodes} steps, or makes more than {_mostMemory >> 20} MB of a file of {fileBytes} bytes; this is no checkpoint");
            if (opcode == (byte)'.')
                return _stack.Count == 1 && _marks.Count == 0 ? _stack[0] : throw Damaged(position, $"ends with {_stack.Count} values, expected 1");
            Step(opcode, position);
        }
    }

    private void Step(byte opcode, long position)
    {
        switch (opcode)
        {
            case 0x80: // PROTO
                if (input.ReadByte() is var protocol and (< 1 or > 5))
                    throw Damaged(position, $"says protocol {protocol}, only 1 to 5 are read");
                break;
            case 0x95: input.ReadUInt64(); break; // FRAME: a hint for buffering
            case (byte)'(': _marks.Add(_stack.Count); break;
            case (byte)'0': Pop(position); break;
            case (byte)'1': PopToMark(position); break;
            case (byte)'2': _stack.Add(Top(position)); break;
            case (byte)'N': _stack.Add(null); break;
            case 0x88: _stack.Add(True); break;
            case 0x89: _stack.Add(False); break;
            case (byte)'K': _stack.Add(SmallNumbers[input.ReadByte()]); break;
            case (byte)'M': Push((long)input.ReadUInt16()); break;
            case (byte)'J': Push((long)input.ReadInt32()); break;
            case 0x8A: Push(ReadLong(input.ReadByte())); break; // LONG1
            case (byte)'G': Push(input.ReadBigEndianDouble()); break;
            case (byte)'X': Push(input.ReadText(input.ReadUInt32())); break;
            case 0x8C: Push(input.ReadText(input.ReadByte())); break;
            case 0x8D: Push(input.ReadText(input.ReadUInt64())); break;
            case (byte)'U': Push(input.ReadText(input.ReadByte())); break; // SHORT_BINSTRING of Python 2
            case (byte)'T': Push(input.ReadText(input.ReadUInt32())); break; // BINSTRING
            case (byte)'C': Push(input.Skip(input.ReadByte())); break; // SHORT_BINBYTES
            case (byte)'B': Push(input.Skip(input.ReadUInt32())); break; // BINBYTES
            case 0x8E: Push(input.Skip(input.ReadUInt64())); break; // BINBYTES8
            case 0x96: Push(input.Skip(input.ReadUInt64())); break; // BYTEARRAY8
            case (byte)']': Push(new PickleList()); break;
            case 0x8F: Push(new PickleList()); break; // EMPTY_SET
            case (byte)'l': Push(ListOf(PopToMark(position))); break;
            case 0x91: Push(ListOf(PopToMark(position))); break; // FROZENSET
            case (byte)'a': Append(position, [Pop(position)]); break;
            case (byte)'e': Append(position, PopToMark(position)); break;
            case 0x90: Append(position, PopToMark(position)); break; // ADDITEMS
            case (byte)')': _stack.Add(EmptyTuple); break;
            case 0x85: PushTuple(position, 1); break;
            case 0x86: PushTuple(position, 2); break;
            case 0x87: PushTuple(position, 3); break;
            case (byte)'t': Push(PopToMark(position)); break;
            case (byte)'}': Push(new PickleDict()); break;
            case (byte)'d': PushDict(position); break;
            case (byte)'s': SetItems(position, PopMany(position, 2)); break;
            case (byte)'u': SetItems(position, PopToMark(position)); break;
            case (byte)'c': Push(new PickleGlobal(input.ReadLine(), input.ReadLine())); break;
            case 0x93: StackGlobal(position); break;
            case (byte)'R': PushRecord(PopMany(position, 2)); break; // REDUCE
            case 0x81: PushRecord(PopMany(position, 2)); break; // NEWOBJ
            case 0x92: PushRecord(PopMany(position, 3)); break; // NEWOBJ_EX
            case (byte)'b': Build(position); break;
            case (byte)'Q': PushPersistentId(position); break;
            case (byte)'q': Memoize(position, input.ReadByte()); break;
            case (byte)'r': Memoize(position, input.ReadUInt32()); break;
            case 0x94: Memoize(position, _memo.Count); break;
            case (byte)'h': Recall(position, input.ReadByte()); break;
            case (byte)'j': Recall(position, input.ReadUInt32()); break;
            default: throw Damaged(position, $"has the opcode 0x{opcode:X2}, which no checkpoint needs");
        }
    }

    private void Push(object? value)
    {
        _memory += value switch
        {
            string text => ObjectBytes + 2L * text.Length,
            object?[] tuple => ObjectBytes + 8L * tuple.Length,
            PickleList or PickleDict or PickleRecord or PickleGlobal => ContainerBytes,
            PickleBytes or PicklePersistentId => 2 * ObjectBytes,
            _ => ObjectBytes,
        };
        _stack.Add(value);
    }

    private object? Top(long position)
    {
        int floor = _marks.Count > 0 ? _marks[^1] : 0;
        return _stack.Count > floor ? _stack[^1] : throw Damaged(position, "takes a value from an empty stack");
    }

    private object? Pop(long position)
    {
        object? value = Top(position);
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private object?[] PopMany(long position, int count)
    {
        int floor = _marks.Count > 0 ? _marks[^1] : 0;
        if (_stack.Count - count < floor)
            throw Damaged(position, "takes a value from an empty stack");
        return PopFrom(_stack.Count - count);
    }

    private object?[] PopToMark(long position)
    {
        if (_marks.Count == 0)
            throw Damaged(position, "closes a group that it did not open");
        int from = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        return PopFrom(from);
    }

    private object?[] PopFrom(int from)
    {
        object?[] values = from == _stack.Count ? EmptyTuple : [.. System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_stack)[from..]];
        _stack.RemoveRange(from, values.Length);
        return values;
    }

    private static PickleList ListOf(object?[] items)
    {
        PickleList list = new();
        list.Items.AddRange(items);
        return list;
    }

    private object ReadLong(int bytes)
    {
        BigInteger value = new(bytes == 0 ? [] : input.Take(bytes));
        return value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;
    }

    private void PushTuple(long position, int count) => Push(PopMany(position, count));

    private void PushDict(long position)
    {
        object?[] items = PopToMark(position);
        Push(new PickleDict());
        SetItems(position, items);
    }

    private void Append(long position, object?[] items)
    {
        PickleList list = Top(position) switch
        {
            PickleList plain => plain,
            PickleRecord record => record.Elements ??= new PickleList(),
            _ => throw Damaged(position, "appends to something that is not a list"),
        };
        _memory += SlotBytes * items.Length;
        list.Items.AddRange(items);
    }

    private void SetItems(long position, object?[] items)
    {
        PickleDict dictionary = Top(position) switch
        {
            PickleDict plain => plain,
            PickleRecord record => record.Entries ??= new PickleDict(),
            _ => throw Damaged(position, "puts items into something that is not a dictionary"),
        };
        if (items.Length % 2 != 0)
            throw Damaged(position, "has a key without a value");
        _memory += SlotBytes * items.Length;
        for (int i = 0; i < items.Length; i += 2)
            dictionary.Items.Add((items[i], items[i + 1]));
    }

    private void StackGlobal(long position)
    {
        if (PopMany(position, 2) is not [string module, string name])
            throw Damaged(position, "names a global by something that is not text");
        Push(new PickleGlobal(module, name));
    }

    private void PushRecord(object?[] callableAndArguments) => Push(new PickleRecord(callableAndArguments[0], callableAndArguments[1]));

    private void Build(long position)
    {
        object? state = Pop(position);
        if (Top(position) is not PickleRecord record)
            throw Damaged(position, "gives a state to something that is not an object");
        record.State = state;
    }

    private void PushPersistentId(long position)
    {
        PicklePersistentId id = new(Pop(position));
        PersistentIds.Add(id);
        Push(id);
    }

    private void Memoize(long position, long index)
    {
        // Picklers count upwards from 0 or 1; a number far beyond would make us reserve memory for nothing.
        if (index > _opcodes)
            throw Damaged(position, $"numbers a value {index} when it has had {_opcodes} steps");
        object? value = Top(position);
        while (_memo.Count <= index)
            _memo.Add(null);
        _memo[(int)index] = value;
    }

    private void Recall(long position, long index)
    {
        if (index >= _memo.Count)
            throw Damaged(position, $"asks for value {index} of {_memo.Count}");
        _stack.Add(_memo[(int)index]);
    }

    private CheckpointException Damaged(long position, string what) => new($"{file}: the pickle {what} (byte {position}); it is damaged or no checkpoint");
}
