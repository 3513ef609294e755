using NativeDiffusion.Model;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>Work that <c>bench</c> repeats and times.</summary>
internal abstract class BenchPass : IDisposable
{
    /// <summary>Operations of one run, convolutions counted as direct ones.</summary>
    public abstract double Flops { get; }

    /// <summary>Bytes of activations and workspaces.</summary>
    public abstract long PlanBytes { get; }

    /// <summary>The plan that does the work, ready to run by itself after <see cref="Run"/>.</summary>
    public abstract Plan Plan { get; }

    /// <summary>The work, once.</summary>
    public abstract void Run();

    public abstract void Dispose();

    /// <summary>Values between -1 and 1 to compute with: any but zeros and denormals do.</summary>
    protected static float[] Noise(long count)
    {
        var random = new Random(1);
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++) values[i] = 2 * random.NextSingle() - 1;
        return values;
    }

    /// <summary>A class for each image, one after the other.</summary>
    protected static int[] Labels(DiffusionModel model, int batch) => [.. Enumerable.Range(0, batch).Select(i => i % model.NullLabel)];
}
