namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// What a sample starts from in place of generated noise. Inversion (<see cref="Samplers.DdimInversion"/>) starts from a picture and ends as noise,
/// from which <see cref="Samplers.Ddim"/> makes the picture again; any other sampler whose levels begin below pure noise edits a picture
/// (SDEdit, Meng et al. 2021, arXiv 2108.01073).
/// </summary>
public sealed class SampleStart
{
    private SampleStart(ReadOnlyMemory<float> values, bool isPicture) => (Values, IsPicture) = (values, isPicture);

    internal ReadOnlyMemory<float> Values { get; }

    internal bool IsPicture { get; }

    /// <summary>
    /// A clean picture, which gets fresh noise of the sampler's first level: <c>alpha x0 + sigma n</c>, or <c>x0 + s n</c> in EDM scale; an inversion
    /// takes it as it is.
    /// </summary>
    /// <param name="pixels">[H, W, C] of the model's images, in [-1, 1] (or its latents); finite.</param>
    public static SampleStart Picture(ReadOnlyMemory<float> pixels) => new(pixels, true);

    /// <summary>Noise in place of the generator's; the state starts as this times <see cref="SamplerTable.InitialScale"/>.</summary>
    /// <param name="noise">[H, W, C] of the model's images, of standard deviation about 1: what an inversion ended as, for example; finite.</param>
    public static SampleStart Noise(ReadOnlyMemory<float> noise) => new(noise, false);

    /// <summary>Checks that a table can start so.</summary>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    internal static void Require(SampleStart? start, SamplerTable table, int rowLength)
    {
        if (table.InitialScale == 0 && start is not { IsPicture: true })
            throw new ArgumentException($"The sampler {table.Name} starts from a picture: set {nameof(SampleRequest.Start)} of every request to a {nameof(SampleStart)}.{nameof(Picture)}.");
        if (start is null) return;
        if (start.Values.Length != rowLength)
            throw new ArgumentException($"A sample of this model starts from {rowLength} values [H, W, C]; got {start.Values.Length}.");
        foreach (float value in start.Values.Span)
            if (!float.IsFinite(value)) throw new ArgumentException($"A sample starts from finite values; got {value}.");
    }
}
