using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Tensors with memory of their own, freed together.</summary>
internal sealed class OwnedTensors(IKernels kernels) : IDisposable
{
    private readonly List<DeviceMemory> _memory = [];

    public TensorView Allocate(Shape shape)
    {
        var memory = kernels.Allocate(shape.Count);
        _memory.Add(memory);
        return new TensorView(memory, 0, shape);
    }

    public void Dispose()
    {
        foreach (var memory in _memory) memory.Dispose();
    }
}
