using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>What <see cref="LanesTests"/> asks of one width.</summary>
public interface ILanesCheck
{
    void LoadsAndStores();

    void Arithmetic(float[] a, float[] b, float[] c);

    void Reductions();

    void PowersOfTwo();

    void Selection();

    float Exp(float x);

    float Sigmoid(float x);

    float ExpMinus(float x);

    float OneMinusExpMinus(float x);

    float Exp2(float x);
}

internal sealed unsafe class LanesCheck<V>(string name) : ILanesCheck
    where V : unmanaged, ILanes<V>
{
    private const int Sentinel = 0x7fc0dead;

    public override string ToString() => name;

    public void LoadsAndStores()
    {
        Assert.That(V.Count * sizeof(float), Is.EqualTo(sizeof(V)));
        float[] source = [.. Enumerable.Range(0, 40).Select(i => i + 0.25f)];
        Assert.That(Elements(V.Zero), Is.All.EqualTo(0f));
        Assert.That(Elements(V.Broadcast(3.5f)), Is.All.EqualTo(3.5f));
        for (int offset = 0; offset < 8; offset++)
        {
            Assert.That(Elements(Load(source, offset)), Is.EqualTo(source[offset..(offset + V.Count)]));
            for (int count = 0; count <= V.Count; count++)
            {
                fixed (float* p = source)
                {
                    float[] expected = [.. source[offset..(offset + count)], .. new float[V.Count - count]];
                    Assert.That(Elements(V.LoadPartial(p + offset, count)), Is.EqualTo(expected), $"load of {count} at {offset}");
                }
                float[] written = new float[40];
                new Span<float>(written).Fill(BitConverter.Int32BitsToSingle(Sentinel));
                fixed (float* p = written) V.StorePartial(p + offset, Load(source, 1), count);
                for (int i = 0; i < written.Length; i++)
                {
                    int expected = i >= offset && i < offset + count ? Bits(source[1 + i - offset]) : Sentinel;
                    Assert.That(Bits(written[i]), Is.EqualTo(expected), $"element {i} after a store of {count} at {offset}");
                }
            }
        }
        NothingBehindThePointerIsRead();
    }

    public void Arithmetic(float[] a, float[] b, float[] c)
    {
        V x = Load(a), y = Load(b), z = Load(c);
        using (Assert.EnterMultipleScope())
        {
            Same("+", x + y, i => a[i] + b[i]);
            Same("-", x - y, i => a[i] - b[i]);
            Same("*", x * y, i => a[i] * b[i]);
            Same("/", x / y, i => a[i] / b[i]);
            Same("min", V.Min(x, y), i => a[i] < b[i] ? a[i] : b[i], zeroSign: false);
            Same("max", V.Max(x, y), i => a[i] > b[i] ? a[i] : b[i], zeroSign: false);
            Same("sqrt", V.Sqrt(V.Abs(x)), i => MathF.Sqrt(MathF.Abs(a[i])));
            Same("abs", V.Abs(x), i => MathF.Abs(a[i]));
            Same("round", V.Round(x), i => MathF.Round(a[i], MidpointRounding.ToEven));
            Same("select", V.SelectGreater(x, y, z, x), i => a[i] > b[i] ? c[i] : a[i]);
        }
        float[] fused = Elements(V.MultiplyAdd(x, y, z));
        for (int i = 0; i < V.Count; i++)
        {
            // The portable width multiplies and adds in two roundings where the processor cannot do it in one.
            float once = MathF.FusedMultiplyAdd(a[i], b[i], c[i]), twice = a[i] * b[i] + c[i];
            Assert.That(SameValue(fused[i], once) || V.Count == 4 && SameValue(fused[i], twice), $"{a[i]:g9} * {b[i]:g9} + {c[i]:g9} gave {fused[i]:g9}, not {once:g9}");
        }
    }

    public void Reductions()
    {
        // Sums of these depend on the order.
        float[] values = [1e8f, 1f, -1e8f, 3f, 0.1f, 7e7f, 2f, -7e7f, 5f, 1e-3f, 4e6f, -0.7f, 9f, -4e6f, 0.3f, 11f];
        float[] halves = values[..V.Count];
        while (halves.Length > 1)
        {
            int half = halves.Length / 2;
            halves = [.. Enumerable.Range(0, half).Select(i => halves[i] + halves[i + half])];
        }
        Assert.That(V.Sum(Load(values)), Is.EqualTo(halves[0]));
        for (int at = 0; at < V.Count; at++)
        {
            float[] negative = [.. Enumerable.Range(0, 16).Select(i => i == at ? -1.5f : -2f - i)];
            Assert.That(V.MaxElement(Load(negative)), Is.EqualTo(-1.5f), $"largest at {at}");
        }
    }

    public void PowersOfTwo()
    {
        for (int n = -126; n <= 127; n++)
            Assert.That(Elements(V.PowerOfTwo(V.Broadcast(n))), Is.All.EqualTo((float)Math.Pow(2, n)), $"2^{n}");
        V factor = V.Broadcast(1.37f);
        for (int n = -126; n <= 126; n++)
            Assert.That(Elements(V.ScaleByPowerOfTwo(factor, V.Broadcast(n))), Is.All.EqualTo((float)(1.37f * Math.Pow(2, n))), $"1.37 * 2^{n}");
        foreach (float n in new[] { -127, -1000, -1e30f, float.MinValue, float.NegativeInfinity })
            Assert.That(Elements(V.ScaleByPowerOfTwo(factor, V.Broadcast(n))), Is.All.InRange(0f, 3e-38f), $"1.37 * 2^{n}");
        Assert.That(Elements(V.ScaleByPowerOfTwo(V.Broadcast(float.NaN), V.Broadcast(float.NaN))), Is.All.NaN);
    }

    public void Selection()
    {
        V nan = V.Broadcast(float.NaN), one = V.Broadcast(1f), two = V.Broadcast(2f);
        Assert.That(Elements(V.SelectGreater(nan, one, one, two)), Is.All.EqualTo(2f));
        Assert.That(Elements(V.SelectGreater(one, nan, one, two)), Is.All.EqualTo(2f));
        Assert.That(Elements(V.SelectGreater(one, one, one, two)), Is.All.EqualTo(2f));
    }

    public float Exp(float x) => First(LanesMath.Exp(V.Broadcast(x)));

    public float ExpMinus(float x) => First(LanesMath.ExpMinus(V.Broadcast(x)));

    public float OneMinusExpMinus(float x) => First(LanesMath.OneMinusExpMinus(V.Broadcast(x)));

    public float Sigmoid(float x) => First(LanesMath.Sigmoid(V.Broadcast(x)));

    public float Exp2(float x)
    {
        V x0 = V.Broadcast(x), x1 = x0, x2 = x0, x3 = x0;
        AttentionTiles.Exp2(ref x0, ref x1, ref x2, ref x3);
        float[] results = [.. Elements(x0), .. Elements(x1), .. Elements(x2), .. Elements(x3)];
        Assert.That(results, Is.All.EqualTo(results[0]));
        return results[0];
    }

    // The last elements before memory that may not be touched: a read beyond them ends the process.
    private static void NothingBehindThePointerIsRead()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var pages = new ProtectedPages();
        for (int count = 0; count <= V.Count; count++)
        {
            float* end = pages.End - count;
            for (int i = 0; i < count; i++) end[i] = i + 1;
            float[] got = Elements(V.LoadPartial(end, count));
            Assert.That(got[..count], Is.EqualTo(Enumerable.Range(1, count).Select(i => (float)i)));
            V.StorePartial(end, V.Broadcast(-1f), count);
            for (int i = 0; i < count; i++) Assert.That(end[i], Is.EqualTo(-1f));
        }
    }

    private static void Same(string what, V got, Func<int, float> expected, bool zeroSign = true)
    {
        float[] elements = Elements(got);
        for (int i = 0; i < V.Count; i++)
            if (!SameValue(elements[i], expected(i)) || zeroSign && elements[i] == 0 && Bits(elements[i]) != Bits(expected(i)))
                Assert.Fail($"{what}: element {i} is {elements[i]:g9}, should be {expected(i):g9}.");
    }

    private static bool SameValue(float a, float b) => a == b || float.IsNaN(a) && float.IsNaN(b);

    private static int Bits(float value) => BitConverter.SingleToInt32Bits(value);

    private static V Load(float[] values, int offset = 0)
    {
        fixed (float* p = values) return V.Load(p + offset);
    }

    private static float First(V value) => *(float*)&value;

    private static float[] Elements(V value)
    {
        float[] result = new float[V.Count];
        fixed (float* p = result) V.Store(p, value);
        return result;
    }
}
