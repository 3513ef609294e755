using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Keeps the weights that guiders read beside the model's from being changed or freed during a whole call.</summary>
internal sealed class OtherWeights : IDisposable
{
    private readonly List<UseGuard.Use> _uses = [];

    public OtherWeights(Guidance guidance)
    {
        try
        {
            foreach (var guider in guidance.Branches.Concat<Guider>(guidance.Gradients))
                foreach (var parameters in guider.Weights)
                    _uses.Add(parameters.Guard.Read());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var use in _uses) use.Dispose();
        _uses.Clear();
    }
}
