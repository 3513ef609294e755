using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Experiments.Running;

/// <summary>What came of a point; kept as a file, so that a run that was interrupted goes on after it.</summary>
internal sealed record PointResult
{
    public required string Key { get; init; }

    public required string Label { get; init; }

    public string Group { get; init; } = "";

    public string Series { get; init; } = "";

    public double X { get; init; } = double.NaN;

    public string Note { get; init; } = "";

    /// <summary>Scale s = 1 + w of guidance by branches.</summary>
    public double Scale { get; init; }

    /// <summary>The sampler, its steps and the guidance, in words.</summary>
    public string Sampler { get; init; } = "";

    /// <inheritdoc cref="Sampler"/>
    public int Steps { get; init; }

    /// <inheritdoc cref="Sampler"/>
    public string Guidance { get; init; } = "";

    public int Samples { get; init; }

    /// <summary>By the keys of <see cref="Judge.Metrics"/>.</summary>
    public Dictionary<string, Estimate> Metrics { get; init; } = [];

    public PointCost Cost { get; init; } = new(0, 0);

    /// <summary>Seconds of drawing, on whatever else the machine did.</summary>
    public double Seconds { get; init; }
}
