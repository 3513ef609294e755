namespace NativeDiffusion.Model.Sampling;

/// <summary>A whole sampler: its rows in the order of execution. The state after the last row is the sample.</summary>
public sealed class SamplerTable
{
    internal SamplerTable(string name, IReadOnlyList<SamplerRow> rows, double initialScale, (double Signal, double Noise) pictureStart)
    {
        (Name, Rows, InitialScale, PictureStart) = (name, rows, initialScale, pictureStart);
        Steps = rows[^1].StepIndex + 1;
    }

    /// <summary>What it is, with its settings, for reports.</summary>
    public string Name { get; }

    /// <summary>One row per network evaluation, and those that only add noise.</summary>
    public IReadOnlyList<SamplerRow> Rows { get; }

    /// <summary>Standard deviation of the initial noise state; 0 where the state starts as an image (inversion).</summary>
    public double InitialScale { get; }

    /// <summary>Weights of a given picture and of fresh noise in the initial state (<see cref="SampleStart.Picture"/>).</summary>
    internal (double Signal, double Noise) PictureStart { get; }

    /// <summary>Number of steps; a Heun step counts once though it has two rows.</summary>
    public int Steps { get; }

    /// <summary>Whether the steps are ancestral, so that a gradient may move their mean.</summary>
    internal bool IsAncestral { get; init; }

    /// <summary>How many histories the rows keep.</summary>
    internal int Histories => 1 + Rows.Max(r => r.ShiftHistories);

    /// <summary>The table with every row changed.</summary>
    internal SamplerTable With(Func<SamplerRow, SamplerRow> change) => new(Name, [.. Rows.Select(change)], InitialScale, PictureStart) { IsAncestral = IsAncestral };

    /// <inheritdoc/>
    public override string ToString() => $"{Name}, {Steps} steps, {Rows.Count(r => r.Evaluates)} network evaluations";
}
