namespace ILGPU;

public readonly struct LongIndex3D : ILongIndex<LongIndex3D, Index3D>
{
    public static readonly LongIndex3D Invalid = new(-1, -1, -1);
    public static readonly LongIndex3D Zero = default;
    public static readonly LongIndex3D One = new(1, 1, 1);

    public LongIndex3D(long value)
        : this(value, value, value)
    {
    }

    public LongIndex3D(long x, long y, long z)
    {
        X = x;
        Y = y;
        Z = z;
    }

    public LongIndex3D(LongIndex2D xy, long z)
        : this(xy.X, xy.Y, z)
    {
    }

    public LongIndex3D(long x, LongIndex2D yz)
        : this(x, yz.X, yz.Y)
    {
    }

    public long X { get; }

    public long Y { get; }

    public long Z { get; }

    public LongIndex2D XY => new(X, Y);

    public LongIndex2D YZ => new(Y, Z);

    public bool IsFirst => X == 0 && Y == 0 && Z == 0;

    public long Size => X * Y * Z;

    public IndexType IndexType => IndexType.LongIndex3D;

    public Index3D ToIntIndex() => new(checked((int)X), checked((int)Y), checked((int)Z));

    public bool InBounds(LongIndex3D dimension) =>
        X >= 0 && X < dimension.X && Y >= 0 && Y < dimension.Y && Z >= 0 && Z < dimension.Z;

    public bool InBoundsInclusive(LongIndex3D dimension) =>
        X >= 0 && X <= dimension.X && Y >= 0 && Y <= dimension.Y && Z >= 0 && Z <= dimension.Z;

    public LongIndex3D Add(LongIndex3D rhs) => this + rhs;

    public LongIndex3D Subtract(LongIndex3D rhs) => this - rhs;

    public (long X, long Y, long Z) ToValueTuple() => (X, Y, Z);

    public void Deconstruct(out long x, out long y, out long z)
    {
        x = X;
        y = Y;
        z = Z;
    }

    public bool Equals(LongIndex3D other) => this == other;

    public override bool Equals(object? obj) => obj is LongIndex3D other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(X, Y, Z);

    public override string ToString() => $"({X}, {Y}, {Z})";

    public static explicit operator Index3D(LongIndex3D index) => index.ToIntIndex();

    public static implicit operator LongIndex3D((long, long, long) values) => new(values.Item1, values.Item2, values.Item3);

    public static LongIndex3D operator +(LongIndex3D first, LongIndex3D second) =>
        new(first.X + second.X, first.Y + second.Y, first.Z + second.Z);

    public static LongIndex3D operator -(LongIndex3D first, LongIndex3D second) =>
        new(first.X - second.X, first.Y - second.Y, first.Z - second.Z);

    public static LongIndex3D operator *(LongIndex3D first, LongIndex3D second) =>
        new(first.X * second.X, first.Y * second.Y, first.Z * second.Z);

    public static LongIndex3D operator /(LongIndex3D first, LongIndex3D second) =>
        new(first.X / second.X, first.Y / second.Y, first.Z / second.Z);

    public static bool operator ==(LongIndex3D first, LongIndex3D second) =>
        first.X == second.X && first.Y == second.Y && first.Z == second.Z;

    public static bool operator !=(LongIndex3D first, LongIndex3D second) => !(first == second);
}
