using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>One named trainable tensor inside a flat <see cref="Parameters"/> buffer.</summary>
public sealed class Parameter
{
    internal Parameter(string name, Shape shape, long offset) => (Name, Shape, Offset) = (name, shape, offset);

    /// <summary>Key in checkpoints.</summary>
    public string Name { get; }

    /// <summary>Extents; convolutions are [Cout, Kh, Kw, Cin], linear layers [Nout, K].</summary>
    public Shape Shape { get; }

    /// <summary>First element inside the flat buffers.</summary>
    public long Offset { get; }
}
