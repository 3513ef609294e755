namespace NativeDiffusion.Model.Guiders;

/// <summary>What <see cref="UniversalGuider"/> does.</summary>
public sealed record UniversalSettings
{
    /// <summary>Factor w of the gradient through the denoiser; 0 takes backward steps only.</summary>
    public double ForwardWeight { get; init; } = 1;

    /// <summary>Steps on the clean prediction; null for none.</summary>
    public BackwardGuidance? Backward { get; init; }

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Require()
    {
        if (!double.IsFinite(ForwardWeight)) throw new ArgumentException($"The weight of universal guidance is finite; got {ForwardWeight}.");
        if (ForwardWeight == 0 && Backward is null) throw new ArgumentException("Universal guidance of forward weight 0 and without backward steps does nothing; give one of them.");
        Backward?.Require("universal");
    }
}

/// <summary>
/// Steps of Adam on the predicted clean sample towards an objective (universal guidance's backward guidance), at each of which the sample is clamped to the range of
/// clean samples first, if the sampler clips. The moments start anew at every step of the sampler.
/// </summary>
/// <param name="Steps">How many, at least 1; each costs the objective forward and backward.</param>
/// <param name="LearningRate">Adam's, above 0: about the change of a pixel in a step.</param>
/// <param name="LossCutoff">A sample whose loss, minus the objective, is below this stays as it is; null for no such bound.</param>
public sealed record BackwardGuidance(int Steps, double LearningRate = 0.01, double? LossCutoff = null)
{
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Require(string guider)
    {
        if (Steps < 1) throw new ArgumentException($"Guider '{guider}': backward guidance takes at least 1 step; got {Steps}.");
        if (!(LearningRate > 0) || double.IsInfinity(LearningRate)) throw new ArgumentException($"Guider '{guider}': the learning rate of backward guidance is above 0 and finite; got {LearningRate}.");
        if (LossCutoff is { } cutoff && double.IsNaN(cutoff)) throw new ArgumentException($"Guider '{guider}': the loss at which backward guidance ends is a number; got {cutoff}.");
    }
}
