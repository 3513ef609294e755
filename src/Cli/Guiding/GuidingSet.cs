using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>A guidance and the models that it reads.</summary>
internal sealed class GuidingSet(Guidance guidance, IReadOnlyList<IDisposable> models) : IDisposable
{
    public Guidance Guidance { get; } = guidance;

    /// <summary>The same without the sine of CLIP guidance, to compare with; null where there is no sine.</summary>
    public Guidance? WithoutSine { get; init; }

    /// <summary>CLIP with the prompts, if the guidance has any.</summary>
    public ClipClassifier? Clip => models.OfType<ClipClassifier>().FirstOrDefault();

    public void Dispose()
    {
        foreach (var model in models) model.Dispose();
    }
}
