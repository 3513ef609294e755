using System.Globalization;

namespace NativeDiffusion.Kernels;

/// <summary>The extents of a tensor of rank 0 to 4, outermost first; images are NHWC, tokens NTC, rows NC.</summary>
public readonly record struct Shape
{
    private readonly int _d0, _d1, _d2, _d3;

    /// <summary>A scalar: rank 0, one element.</summary>
    public Shape() { }

    /// <summary>A vector of <paramref name="c"/> elements.</summary>
    public Shape(int c) : this(1, c, 0, 0, 0) { }

    /// <summary>A matrix of <paramref name="n"/> rows and <paramref name="c"/> columns.</summary>
    public Shape(int n, int c) : this(2, n, c, 0, 0) { }

    /// <summary>Rank 3: batch, tokens, channels.</summary>
    public Shape(int n, int t, int c) : this(3, n, t, c, 0) { }

    /// <summary>Rank 4: batch, height, width, channels (or Cout, Kh, Kw, Cin for a convolution's weight).</summary>
    public Shape(int n, int h, int w, int c) : this(4, n, h, w, c) { }

    private Shape(int rank, int d0, int d1, int d2, int d3)
    {
        Rank = rank;
        (_d0, _d1, _d2, _d3) = (d0, d1, d2, d3);
        for (int i = 0; i < rank; i++)
            if (Extent(i) < 1)
                throw new ArgumentOutOfRangeException(nameof(rank), $"Every extent of a shape is at least 1; got {this}.");
    }

    /// <summary>Number of dimensions, 0 to 4.</summary>
    public int Rank { get; }

    /// <summary>Number of elements (1 for a scalar).</summary>
    /// <exception cref="OverflowException">More elements than a long counts.</exception>
    public long Count => Rank switch
    {
        0 => 1,
        1 => _d0,
        2 => (long)_d0 * _d1,
        3 => checked((long)_d0 * _d1 * _d2),
        _ => checked((long)_d0 * _d1 * _d2 * _d3),
    };

    /// <summary>The innermost extent (channels); 1 for a scalar.</summary>
    public int Channels => Rank switch { 0 => 1, 1 => _d0, 2 => _d1, 3 => _d2, _ => _d3 };

    /// <summary>The outermost extent (batch); 1 for a scalar.</summary>
    public int Batch => Rank == 0 ? 1 : _d0;

    /// <summary>Elements of one batch row.</summary>
    public long RowCount => Count / Batch;

    /// <summary>The extent of dimension <paramref name="dimension"/>, counted from the outermost.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The dimension is not below <see cref="Rank"/>.</exception>
    public int this[int dimension] => (uint)dimension >= (uint)Rank
        ? throw new ArgumentOutOfRangeException(nameof(dimension), $"Dimension {dimension} of a shape of rank {Rank}.")
        : dimension switch { 0 => _d0, 1 => _d1, 2 => _d2, _ => _d3 };

    /// <summary>The same shape with another batch extent.</summary>
    public Shape WithBatch(int batch) => Rank == 0 ? new(batch) : new(Rank, batch, _d1, _d2, _d3);

    /// <summary>The same shape with another number of channels.</summary>
    public Shape WithChannels(int channels) => Rank switch
    {
        1 => new(channels),
        2 => new(_d0, channels),
        3 => new(_d0, _d1, channels),
        4 => new(_d0, _d1, _d2, channels),
        _ => throw new InvalidOperationException("A scalar has no channels."),
    };

    /// <summary>A shape from its extents, outermost first.</summary>
    /// <exception cref="ArgumentException">More than four extents.</exception>
    public static Shape Of(params ReadOnlySpan<int> extents) => extents.Length switch
    {
        0 => new(),
        1 => new(extents[0]),
        2 => new(extents[0], extents[1]),
        3 => new(extents[0], extents[1], extents[2]),
        4 => new(extents[0], extents[1], extents[2], extents[3]),
        _ => throw new ArgumentException($"A shape has at most 4 dimensions; got {extents.Length}."),
    };

    /// <summary>Letters and extents, for example <c>[N=2,H=16,W=16,C=64]</c>.</summary>
    public override string ToString()
    {
        string letters = Rank switch { 1 => "C", 2 => "NC", 3 => "NTC", 4 => "NHWC", _ => "" };
        var shape = this;
        return "[" + string.Join(",", letters.Select((l, i) => string.Create(CultureInfo.InvariantCulture, $"{l}={shape.Extent(i)}"))) + "]";
    }

    private int Extent(int i) => i switch { 0 => _d0, 1 => _d1, 2 => _d2, _ => _d3 };
}
