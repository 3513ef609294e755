using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>One named trainable tensor inside a flat <see cref="Parameters"/> buffer.</summary>
public sealed class Parameter
{
    internal Parameter(string name, Shape shape, long offset, Initializer initializer, int[] publishedShape) =>
        (Name, Shape, Offset, Initializer, PublishedShape) = (name, shape, offset, initializer, publishedShape);

    /// <summary>Key in checkpoints.</summary>
    public string Name { get; }

    /// <summary>Extents; convolutions are [Cout, Kh, Kw, Cin], linear layers [Nout, K].</summary>
    public Shape Shape { get; }

    /// <summary>First element inside the flat buffers.</summary>
    public long Offset { get; }

    /// <summary>How training starts it.</summary>
    public Initializer Initializer { get; }

    /// <summary>
    /// Extents in published checkpoints: [Cout, Cin, Kh, Kw] for a convolution's weight (stored permuted), and whatever the published
    /// architecture has for one with a 1x1 kernel ([Cout, Cin, 1] for a one-dimensional convolution).
    /// </summary>
    public IReadOnlyList<int> PublishedShape { get; }
}

/// <summary>Initial distribution of a parameter.</summary>
public readonly record struct Initializer
{
    private Initializer(InitialDistribution distribution, double scale) => (Distribution, Scale) = (distribution, scale);

    /// <summary>All zero: biases of normalisations, and the last layers of residual branches.</summary>
    public static Initializer Zero => default;

    /// <summary>All one: scales of normalisations.</summary>
    public static Initializer One => Constant(1);

    /// <summary>Uniform in (-1/sqrt(fanIn), 1/sqrt(fanIn)): weights and biases of linear layers and convolutions (LeCun et al. 1998).</summary>
    public static Initializer FanIn(int fanIn) => Uniform(1 / Math.Sqrt(fanIn));

    /// <summary>Uniform between minus and plus <paramref name="halfWidth"/>.</summary>
    public static Initializer Uniform(double halfWidth) => new(InitialDistribution.Uniform, halfWidth);

    /// <summary>Normal with this standard deviation: embedding tables.</summary>
    public static Initializer Normal(double standardDeviation = 1) => new(InitialDistribution.Normal, standardDeviation);

    /// <summary>All elements equal.</summary>
    public static Initializer Constant(double value) => new(InitialDistribution.Constant, value);

    /// <summary>
    /// Every element given by its index: a table that training does not change, such as the places of tokens. Tables are declared before other
    /// parameters.
    /// </summary>
    public static Initializer Table(Func<int, double> element) => new(InitialDistribution.Table, 1) { Element = element };

    /// <summary>Kind of distribution.</summary>
    public InitialDistribution Distribution { get; }

    /// <summary>Constant value, half width of the uniform range, or standard deviation.</summary>
    public double Scale { get; }

    /// <summary>Value of each element of a table; null for the other kinds.</summary>
    public Func<int, double>? Element { get; private init; }
}

/// <summary>Kinds of initial distributions.</summary>
public enum InitialDistribution
{
    /// <summary>Every element equals the scale.</summary>
    Constant,

    /// <summary>Uniform between plus and minus the scale.</summary>
    Uniform,

    /// <summary>Normal with the scale as standard deviation.</summary>
    Normal,

    /// <summary>Given by a table, which gets no gradient and is not trained.</summary>
    Table,
}
