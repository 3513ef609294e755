using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>Filling guarded tensors and comparing them with a double oracle.</summary>
internal static class GuardedTensors
{
    /// <summary>A NaN-poisoned tensor.</summary>
    public static GuardedTensor Empty(params ReadOnlySpan<int> extents) => new(Shape.Of(extents));

    /// <summary>Pseudo-random values in -<paramref name="range"/> to <paramref name="range"/>.</summary>
    public static GuardedTensor Random(int seed, float range, params ReadOnlySpan<int> extents)
    {
        var tensor = Empty(extents);
        var random = new Random(seed);
        foreach (ref float value in tensor.View.Span) value = (float)((2 * random.NextDouble() - 1) * range);
        return tensor;
    }

    public static double[] ToDoubles(this GuardedTensor tensor) => Array.ConvertAll(tensor.ToArray(), v => (double)v);

    /// <summary>
    /// Largest |actual - expected|, over 1 + the largest |expected|; NaN if anything is not finite. Fails if the guards were overwritten.
    /// </summary>
    public static double ErrorAgainst(this GuardedTensor tensor, double[] expected)
    {
        tensor.CheckGuards();
        float[] actual = tensor.ToArray();
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        double error = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            if (!float.IsFinite(actual[i])) return double.NaN;
            error = Math.Max(error, Math.Abs(actual[i] - expected[i]));
        }
        return error / (1 + expected.Max(Math.Abs));
    }
}
