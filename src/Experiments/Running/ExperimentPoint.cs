using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Running;

/// <summary>One row of an experiment: how its images are drawn.</summary>
/// <param name="Key">Its name in files: letters, digits, '-' and '.'.</param>
/// <param name="Label">Its name in the report.</param>
/// <param name="Sampler">Sampler and steps.</param>
internal sealed record ExperimentPoint(string Key, string Label, SamplerSettings Sampler)
{
    /// <summary>Rows that are compared with each other, the others with the first; a table of its own.</summary>
    public string Group { get; init; } = "";

    /// <summary>What steers the sampler.</summary>
    public Func<Workbench, Guidance> Guidance { get; init; } = _ => Model.Guiders.Guidance.None;

    /// <summary>Which of the models that are compared, from 0.</summary>
    public int ModelNumber { get; init; }

    /// <summary>Whether it can be made with the files that are there.</summary>
    public Predicate<Workbench> IsPossible { get; init; } = _ => true;

    /// <summary>Whether the network is told the class; else only gradients lead to it.</summary>
    public bool IsConditional { get; init; } = true;

    /// <summary>Scale s = 1 + w of guidance by branches.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>The line of a chart that it is a point of.</summary>
    public string Series { get; init; } = "";

    /// <summary>Its place on that line.</summary>
    public double X { get; init; } = double.NaN;

    /// <summary>Real images in place of drawn ones: what a perfect generator would score with as many.</summary>
    public bool IsReal { get; private init; }

    /// <summary>The row of real images that comes before those of every experiment.</summary>
    public static ExperimentPoint Real { get; } =
        new("real", "real training images", new SamplerSettings()) { Group = "Real images", IsReal = true, Note = "what a perfect generator would score" };

    /// <summary>What the report says beside it.</summary>
    public string Note { get; init; } = "";
}
