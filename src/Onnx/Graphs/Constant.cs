namespace NativeDiffusion.Onnx.Graphs;

/// <summary>A tensor that does not depend on the input: real numbers, or integers (truth values among them).</summary>
internal sealed class Constant
{
    // Larger ones are read anew when they are needed: once, to become a weight.
    private const long LargestKept = 1 << 16;

    private readonly Func<(float[]? Reals, long[]? Integers)>? _read;
    private float[]? _reals;
    private long[]? _integers;

    public Constant(int[] dims, float[] reals) => (Dims, IsReal, _reals) = (dims, true, reals);

    public Constant(int[] dims, long[] integers) => (Dims, _integers) = (dims, integers);

    public Constant(int[] dims, bool isReal, Func<(float[]? Reals, long[]? Integers)> read) => (Dims, IsReal, _read) = (dims, isReal, read);

    public int[] Dims { get; }

    public bool IsReal { get; }

    public long Count => Dims.Aggregate(1L, (product, extent) => checked(product * extent));

    /// <summary>The elements as real numbers.</summary>
    public float[] Reals()
    {
        var (reals, integers) = Read();
        return reals ?? [.. integers!.Select(i => (float)i)];
    }

    /// <summary>The elements as integers.</summary>
    public long[] Integers()
    {
        var (reals, integers) = Read();
        return integers ?? [.. reals!.Select(r => (long)r)];
    }

    /// <summary>The same elements under other extents.</summary>
    public Constant WithDims(int[] dims) => new(dims, IsReal, Read);

    private (float[]? Reals, long[]? Integers) Read()
    {
        if (_reals is not null || _integers is not null) return (_reals, _integers);
        var read = _read!();
        if (Count <= LargestKept) (_reals, _integers) = read;
        return read;
    }
}
