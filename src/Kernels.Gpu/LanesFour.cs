namespace NativeDiffusion.Kernels;

/// <summary>Four floats as lanes: what a GPU thread moves at once, with the formulas of one float applied to each.</summary>
internal readonly unsafe struct LanesFour(F4 values) : ILanes<LanesFour>
{
    public readonly F4 Values = values;

    public LanesFour(float x, float y, float z, float w)
        : this(new F4 { X = x, Y = y, Z = z, W = w }) { }

    public static int Count => 4;

    public static LanesFour Zero => new(0f, 0f, 0f, 0f);

    private LanesScalar X => new(Values.X);

    private LanesScalar Y => new(Values.Y);

    private LanesScalar Z => new(Values.Z);

    private LanesScalar W => new(Values.W);

    public static LanesFour Load(float* source) => throw new NotSupportedException();

    public static LanesFour LoadPartial(float* source, int count) => throw new NotSupportedException();

    public static LanesFour Broadcast(float value) => new(value, value, value, value);

    public static void Store(float* destination, LanesFour value) => throw new NotSupportedException();

    public static void StorePartial(float* destination, LanesFour value, int count) => throw new NotSupportedException();

    public static LanesFour MultiplyAdd(LanesFour a, LanesFour b, LanesFour c) => Join(
        LanesScalar.MultiplyAdd(a.X, b.X, c.X), LanesScalar.MultiplyAdd(a.Y, b.Y, c.Y),
        LanesScalar.MultiplyAdd(a.Z, b.Z, c.Z), LanesScalar.MultiplyAdd(a.W, b.W, c.W));

    public static LanesFour operator +(LanesFour a, LanesFour b) => Join(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);

    public static LanesFour operator -(LanesFour a, LanesFour b) => Join(a.X - b.X, a.Y - b.Y, a.Z - b.Z, a.W - b.W);

    public static LanesFour operator *(LanesFour a, LanesFour b) => Join(a.X * b.X, a.Y * b.Y, a.Z * b.Z, a.W * b.W);

    public static LanesFour operator /(LanesFour a, LanesFour b) => Join(a.X / b.X, a.Y / b.Y, a.Z / b.Z, a.W / b.W);

    public static LanesFour Min(LanesFour a, LanesFour b) => Join(
        LanesScalar.Min(a.X, b.X), LanesScalar.Min(a.Y, b.Y), LanesScalar.Min(a.Z, b.Z), LanesScalar.Min(a.W, b.W));

    public static LanesFour Max(LanesFour a, LanesFour b) => Join(
        LanesScalar.Max(a.X, b.X), LanesScalar.Max(a.Y, b.Y), LanesScalar.Max(a.Z, b.Z), LanesScalar.Max(a.W, b.W));

    public static LanesFour Sqrt(LanesFour a) => Join(LanesScalar.Sqrt(a.X), LanesScalar.Sqrt(a.Y), LanesScalar.Sqrt(a.Z), LanesScalar.Sqrt(a.W));

    public static LanesFour Abs(LanesFour a) => Join(LanesScalar.Abs(a.X), LanesScalar.Abs(a.Y), LanesScalar.Abs(a.Z), LanesScalar.Abs(a.W));

    public static LanesFour Round(LanesFour a) => Join(LanesScalar.Round(a.X), LanesScalar.Round(a.Y), LanesScalar.Round(a.Z), LanesScalar.Round(a.W));

    public static LanesFour PowerOfTwo(LanesFour n) => Join(
        LanesScalar.PowerOfTwo(n.X), LanesScalar.PowerOfTwo(n.Y), LanesScalar.PowerOfTwo(n.Z), LanesScalar.PowerOfTwo(n.W));

    public static LanesFour ScaleByPowerOfTwo(LanesFour a, LanesFour n) => Join(
        LanesScalar.ScaleByPowerOfTwo(a.X, n.X), LanesScalar.ScaleByPowerOfTwo(a.Y, n.Y),
        LanesScalar.ScaleByPowerOfTwo(a.Z, n.Z), LanesScalar.ScaleByPowerOfTwo(a.W, n.W));

    public static LanesFour SelectGreater(LanesFour a, LanesFour b, LanesFour whenTrue, LanesFour whenFalse) => Join(
        LanesScalar.SelectGreater(a.X, b.X, whenTrue.X, whenFalse.X), LanesScalar.SelectGreater(a.Y, b.Y, whenTrue.Y, whenFalse.Y),
        LanesScalar.SelectGreater(a.Z, b.Z, whenTrue.Z, whenFalse.Z), LanesScalar.SelectGreater(a.W, b.W, whenTrue.W, whenFalse.W));

    public static float Sum(LanesFour a) => a.Values.X + a.Values.Z + (a.Values.Y + a.Values.W);

    public static float MaxElement(LanesFour a) => LanesScalar.Max(LanesScalar.Max(a.X, a.Z), LanesScalar.Max(a.Y, a.W)).Value;

    private static LanesFour Join(LanesScalar x, LanesScalar y, LanesScalar z, LanesScalar w) => new(x.Value, y.Value, z.Value, w.Value);
}
