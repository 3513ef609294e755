namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Constructor arguments of the U-Net of Dhariwal and Nichol (arXiv 2105.05233; <c>UNetModel</c> of guided-diffusion), under their published
/// meaning. Defaults are those of the published code.
/// </summary>
public sealed record UNetConfig : AdmConfig, INetworkConfig
{
    /// <summary>Rows of the label embedding, the null class included; null for an unconditional network.</summary>
    public int? NumClasses { get; init; }

    /// <inheritdoc/>
    public IDiffusionNetwork Create() => new UNet(this);

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(NumClasses is null or >= 1 and <= 1_000_000, $"num_classes is 1 to 1000000, or absent; got {NumClasses}.");
    }
}
