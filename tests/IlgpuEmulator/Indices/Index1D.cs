namespace ILGPU;

public readonly struct Index1D : IIntIndex<Index1D, LongIndex1D>
{
    public static readonly Index1D Invalid = new(-1);
    public static readonly Index1D Zero = default;
    public static readonly Index1D One = new(1);

    public Index1D(int x)
    {
        X = x;
    }

    public int X { get; }

    public bool IsFirst => X == 0;

    public int Size => checked(X);

    public long LongSize => (long)X;

    long IIndex.Size => LongSize;

    public IndexType IndexType => IndexType.Index1D;

    public LongIndex1D ToLongIndex() => new(X);

    public bool InBounds(Index1D dimension) =>
        X >= 0 && X < dimension.X;

    public bool InBoundsInclusive(Index1D dimension) =>
        X >= 0 && X <= dimension.X;

    public Index1D Add(Index1D rhs) => this + rhs;

    public Index1D Subtract(Index1D rhs) => this - rhs;

    public bool Equals(Index1D other) => this == other;

    public override bool Equals(object? obj) => obj is Index1D other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(X);

    public override string ToString() => $"({X})";

    public static implicit operator int(Index1D idx) => idx.X;

    public static implicit operator Index1D(int idx) => new(idx);

    public static explicit operator uint(Index1D idx) => (uint)idx.X;

    public static implicit operator LongIndex1D(Index1D index) => index.ToLongIndex();

    public static Index1D operator +(Index1D first, Index1D second) =>
        new(first.X + second.X);

    public static Index1D operator -(Index1D first, Index1D second) =>
        new(first.X - second.X);

    public static Index1D operator *(Index1D first, Index1D second) =>
        new(first.X * second.X);

    public static Index1D operator /(Index1D first, Index1D second) =>
        new(first.X / second.X);

    public static bool operator ==(Index1D first, Index1D second) =>
        first.X == second.X;

    public static bool operator !=(Index1D first, Index1D second) => !(first == second);
}
