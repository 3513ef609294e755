namespace NativeDiffusion.Model;

/// <summary>What a network's raw output stands for, at a noisy sample <c>z = alpha x0 + sigma noise</c>.</summary>
public enum PredictionType
{
    /// <summary>The noise that was added (Ho et al. 2020).</summary>
    Eps,

    /// <summary>The clean sample.</summary>
    X0,

    /// <summary><c>v = alpha noise - sigma x0</c> (Salimans and Ho 2022).</summary>
    V,
}
