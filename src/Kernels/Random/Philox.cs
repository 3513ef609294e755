namespace NativeDiffusion.Kernels;

/// <summary>
/// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as 1, 2, 3", SC 2011):
/// any
/// number of any stream is computed directly, so the result does not depend on who draws first.
/// </summary>
/// <remarks>
/// Here the key is the 64-bit seed and the counter is (block, sample index, step, stream). Where an op needs one more number, such as the
/// dropout layer, it takes the upper 24 bits of the fourth word; streams take the lower 8. Elements are numbered within a sample, in NHWC
/// order;
/// the tensor kernels use block e / 4 and word e mod 4 for element e.
/// </remarks>
public static class Philox
{
    internal const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57;
    internal const uint Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;
    internal const int Rounds = 10;

    /// <summary>The four words of one counter value (c0, c1, c2, c3) under the key (low word of the seed, high word of the seed).</summary>
    public static (uint W0, uint W1, uint W2, uint W3) Block(ulong seed, uint c0, uint c1, uint c2, uint c3)
    {
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0, p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>A number uniform in [0, 1) with 53 random bits.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="sample">Index of the sample among all samples of the run, not its row in a batch.</param>
    /// <param name="step">Number of the step.</param>
    /// <param name="stream">What the number is for.</param>
    /// <param name="element">Number of the draw within the sample; draw e takes the first two words of block e.</param>
    public static double Uniform(ulong seed, uint sample, uint step, RandomStream stream, uint element)
    {
        var (w0, w1, _, _) = Block(seed, element, sample, step, (uint)stream);
        return (((ulong)w0 << 21) ^ (w1 >> 11)) * (1.0 / (1UL << 53));
    }

    /// <summary>
    /// A standard normal number by the Box-Muller transform, in double: what the tensor kernels compute in float32 for that element. Words
    /// 0 and
    /// 1 of a block give elements 0 (cosine) and 1 (sine), words 2 and 3 give elements 2 and 3.
    /// </summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="sample">Index of the sample among all samples of the run, not its row in a batch.</param>
    /// <param name="step">Number of the step.</param>
    /// <param name="stream">What the number is for.</param>
    /// <param name="element">Number of the element within the sample, in NHWC order.</param>
    public static double Normal(ulong seed, uint sample, uint step, RandomStream stream, long element)
    {
        var (w0, w1, w2, w3) = Block(seed, checked((uint)(element / 4)), sample, step, (uint)stream);
        var (radius, angle) = element % 4 < 2 ? (w0, w1) : (w2, w3);
        double r = Math.Sqrt(-2 * Math.Log(UnitInterval(radius)));
        var (sin, cos) = Math.SinCos(angle * (2 * Math.PI / (1UL << 32)));
        return r * (element % 2 == 0 ? cos : sin);
    }

    /// <summary>Fills a span with <paramref name="scale"/> times <see cref="Normal"/> of elements 0, 1, 2, ...</summary>
    /// <param name="destination">Where the numbers go.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="sample">Index of the sample among all samples of the run; for weights, the number of the parameter.</param>
    /// <param name="step">Number of the step.</param>
    /// <param name="stream">What the numbers are for.</param>
    /// <param name="scale">Standard deviation.</param>
    public static void Fill(Span<float> destination, ulong seed, uint sample, uint step, RandomStream stream, double scale = 1)
    {
        for (int i = 0; i < destination.Length; i++) destination[i] = (float)(scale * Normal(seed, sample, step, stream, i));
    }

    /// <summary>(word + 1/2) / 2^32 rounded to float32, in (0, 1]: every backend computes it with exactly these roundings.</summary>
    internal static float UnitInterval(uint word) => ((float)word + 0.5f) * (1f / 4294967296f);
}
