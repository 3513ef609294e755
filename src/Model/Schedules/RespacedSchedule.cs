using System.Collections.Immutable;

namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// A chain through a subset of a schedule's timesteps (Nichol and Dhariwal 2021): betas <c>1 - alphaBar[K_j] / alphaBar[K_j-1]</c>, so that
/// the noise levels at the kept timesteps stay what they were. All sampler arithmetic uses <see cref="Chain"/>; the network sees
/// <see cref="TimestepMap"/>.
/// </summary>
public sealed class RespacedSchedule
{
    internal RespacedSchedule(DiscreteSchedule original, IReadOnlyList<int> kept)
    {
        ArgumentNullException.ThrowIfNull(kept);
        if (kept.Count == 0) throw new ArgumentException("Respacing must keep at least one timestep.", nameof(kept));
        double[] betas = new double[kept.Count];
        double previous = 1;
        for (int j = 0; j < kept.Count; j++)
        {
            int t = kept[j];
            if (t < 0 || t >= original.Timesteps)
                throw new ArgumentException($"Kept timestep {t} lies outside 0..{original.Timesteps - 1}.", nameof(kept));
            if (j > 0 && t <= kept[j - 1])
                throw new ArgumentException($"Kept timesteps must increase; got {t} after {kept[j - 1]}.", nameof(kept));
            betas[j] = 1 - original.AlphaBar[t] / previous;
            previous = original.AlphaBar[t];
        }

        Original = original;
        TimestepMap = [.. kept];
        Chain = DiscreteSchedule.FromBetas(betas);
    }

    /// <summary>The schedule that the network was trained with.</summary>
    public DiscreteSchedule Original { get; }

    /// <summary>The schedule over the kept timesteps, indexed 0..N-1.</summary>
    public DiscreteSchedule Chain { get; }

    /// <summary>The original timestep of each step of <see cref="Chain"/>, increasing.</summary>
    public ImmutableArray<int> TimestepMap { get; }

    /// <summary>What the network receives at step <paramref name="j"/>: the original index, rescaled where the original schedule is.</summary>
    /// <param name="j">Step of the chain, 0 the least noisy.</param>
    public double NetworkTimestep(int j) => Original.NetworkTimestep(TimestepMap[j]);

    /// <summary>The chain's noise levels, noisiest first, as the samplers take them.</summary>
    public NoiseLevel[] Levels()
    {
        int count = Chain.Timesteps;
        var levels = new NoiseLevel[count];
        for (int j = 0; j < count; j++)
            levels[count - 1 - j] = NoiseLevel.FromAlphaBar(Original.AlphaBar[TimestepMap[j]], NetworkTimestep(j));
        return levels;
    }
}
