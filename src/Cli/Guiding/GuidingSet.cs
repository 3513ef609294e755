using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>A guidance and the models that it reads.</summary>
internal sealed class GuidingSet(Guidance guidance, IReadOnlyList<IDisposable> models) : IDisposable
{
    public Guidance Guidance { get; } = guidance;

    public void Dispose()
    {
        foreach (var model in models) model.Dispose();
    }
}
