using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>How a constant becomes a tensor of the plan.</summary>
internal interface IWeights
{
    /// <summary>The tensor of a weight.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="key">Its name, one for each layout.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="make">Its elements.</param>
    Tensor Weight(PlanBuilder b, string key, Shape shape, Func<float[]> make);
}

/// <summary>Notes which weights a recording needs; that plan is never built.</summary>
internal sealed class WeightsNeeded : IWeights
{
    private readonly Dictionary<string, Tensor> _tensors = [];

    public List<(string Key, Shape Shape, Func<float[]> Make)> Items { get; } = [];

    public Tensor Weight(PlanBuilder b, string key, Shape shape, Func<float[]> make)
    {
        if (_tensors.TryGetValue(key, out var tensor)) return b.Reshape(tensor, shape);
        Items.Add((key, shape, make));
        return _tensors[key] = b.Input("weight." + key, shape);
    }
}

/// <summary>The weights as they lie on the device; what is not among them follows from the number of images, and is written in every run.</summary>
internal sealed class WeightsLoaded(Parameters parameters) : IWeights
{
    public Tensor Weight(PlanBuilder b, string key, Shape shape, Func<float[]> make) => parameters.Contains(key) && parameters[key].Shape.Count == shape.Count
        ? Under(b, b.Parameter(key), shape)
        : b.Reshape(b.Constant(key, make()), shape);

    // The tensor itself, not another view of it, where it can be: packed weights are kept for parameters.
    private static Tensor Under(PlanBuilder b, Tensor parameter, Shape shape) => parameter.Shape == shape ? parameter : b.Reshape(parameter, shape);
}
