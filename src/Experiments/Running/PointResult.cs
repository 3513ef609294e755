using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Experiments.Running;

/// <summary>What came of a point; kept as a file, so that a run that was interrupted goes on after it.</summary>
internal sealed record PointResult
{
    public required string Key { get; init; }

    public required string Label { get; init; }

    public string Group { get; set; } = "";

    public string Series { get; set; } = "";

    public double X { get; set; } = double.NaN;

    public string Note { get; set; } = "";

    /// <summary>Scale s = 1 + w of guidance by branches.</summary>
    public double Scale { get; set; }

    /// <summary>The sampler, its steps and the guidance, in words.</summary>
    public string Sampler { get; set; } = "";

    /// <inheritdoc cref="Sampler"/>
    public int Steps { get; set; }

    /// <inheritdoc cref="Sampler"/>
    public string Guidance { get; set; } = "";

    public int Samples { get; set; }

    /// <summary>By the keys of <see cref="Judge.Metrics"/>.</summary>
    public Dictionary<string, Estimate> Metrics { get; set; } = [];

    public PointCost Cost { get; set; } = new(0, 0);

    /// <summary>Seconds of drawing, on whatever else the machine did.</summary>
    public double Seconds { get; set; }
}
