namespace NativeDiffusion.Model.Training;

/// <summary>
/// Loss-aware timesteps (Nichol and Dhariwal, arXiv 2102.09672, section 3.3): <c>p_t</c> in proportion to the root of the mean squared loss of the last
/// ten at t, mixed with a thousandth of uniform; a row's loss is multiplied by <c>1 / (T p_t)</c>, so that the expected gradient stays what it was.
/// Uniform until every timestep has ten losses.
/// </summary>
public sealed class LossSecondMomentSampler
{
    /// <summary>Losses that are kept of each timestep.</summary>
    public const int Kept = 10;

    private const double UniformShare = 0.001;

    private readonly double[] _losses, _cumulative;
    private readonly int[] _counts;
    private int _full;
    private bool _stale;

    /// <summary>A sampler that has seen nothing.</summary>
    /// <param name="timesteps">T, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">No timesteps.</exception>
    public LossSecondMomentSampler(int timesteps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(timesteps, 1);
        (_losses, _cumulative, _counts) = (new double[timesteps * Kept], new double[timesteps], new int[timesteps]);
        for (int t = 0; t < timesteps; t++) _cumulative[t] = (t + 1.0) / timesteps;
    }

    /// <summary>T.</summary>
    public int Timesteps => _counts.Length;

    /// <summary>Whether every timestep has ten losses, so that draws are not uniform any more.</summary>
    public bool IsWarm => _full == Timesteps;

    /// <summary>The probability of a timestep.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public double Probability(int timestep)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)timestep, (uint)Timesteps, nameof(timestep));
        Refresh();
        return _cumulative[timestep] - (timestep > 0 ? _cumulative[timestep - 1] : 0);
    }

    /// <summary>The timestep at a place of the cumulative distribution, and the weight of its loss.</summary>
    /// <param name="uniform">From 0 up to, not including, 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">Outside of that range.</exception>
    public (int Timestep, double Weight) At(double uniform)
    {
        if (uniform is not (>= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(uniform), uniform, "A place in a distribution is at least 0 and below 1.");
        Refresh();
        int found = Array.BinarySearch(_cumulative, uniform);
        // A place equal to the end of a timestep's share belongs to the next one.
        int timestep = Math.Min(found >= 0 ? found + 1 : ~found, Timesteps - 1);
        return (timestep, IsWarm ? 1 / (Timesteps * Probability(timestep)) : 1);
    }

    /// <summary>Notes the losses of a step's rows, in their order.</summary>
    /// <param name="timesteps">One for each row.</param>
    /// <param name="losses">The rows' losses before the weight that <see cref="At"/> gave.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void Note(ReadOnlySpan<int> timesteps, ReadOnlySpan<double> losses)
    {
        if (timesteps.Length != losses.Length) throw new ArgumentException($"{timesteps.Length} timesteps and {losses.Length} losses.");
        for (int i = 0; i < timesteps.Length; i++)
        {
            int t = timesteps[i];
            var kept = _losses.AsSpan(t * Kept, Kept);
            if (_counts[t] < Kept)
            {
                kept[_counts[t]++] = losses[i];
                if (_counts[t] == Kept) _full++;
            }
            else
            {
                kept[1..].CopyTo(kept);
                kept[^1] = losses[i];
            }
        }
        _stale = true;
    }

    /// <summary>What it has seen, for a checkpoint: for each timestep the number of losses and the ten places.</summary>
    internal double[] Save() =>
        [.. Enumerable.Range(0, Timesteps).SelectMany(t => _losses.AsSpan(t * Kept, Kept).ToArray().Prepend(_counts[t]))];

    /// <summary>Takes over what <see cref="Save"/> gave.</summary>
    /// <exception cref="ArgumentException">The values are none that a sampler of so many timesteps gave.</exception>
    internal void Restore(ReadOnlySpan<double> saved)
    {
        if (saved.Length != Timesteps * (Kept + 1)) throw new ArgumentException($"{saved.Length} values are not the losses of {Timesteps} timesteps.");
        _full = 0;
        for (int t = 0; t < Timesteps; t++)
        {
            var row = saved.Slice(t * (Kept + 1), Kept + 1);
            if (!(row[0] is >= 0 and <= Kept) || row[0] != Math.Floor(row[0])) throw new ArgumentException($"Timestep {t} cannot have {row[0]} losses.");
            foreach (double loss in row[1..])
                if (!(loss >= 0) || double.IsInfinity(loss)) throw new ArgumentException($"Timestep {t} cannot have the loss {loss}.");
            _counts[t] = (int)row[0];
            if (_counts[t] == Kept) _full++;
            row[1..].CopyTo(_losses.AsSpan(t * Kept, Kept));
        }
        _stale = true;
    }

    private void Refresh()
    {
        if (!_stale) return;
        _stale = false;
        if (!IsWarm) return;
        double sum = 0;
        for (int t = 0; t < Timesteps; t++)
        {
            double squares = 0;
            foreach (double loss in _losses.AsSpan(t * Kept, Kept)) squares += loss * loss;
            sum += _cumulative[t] = Math.Sqrt(squares / Kept);
        }
        double before = 0;
        for (int t = 0; t < Timesteps; t++)
        {
            // Losses of 0 everywhere say nothing about where to look.
            double share = sum > 0 ? _cumulative[t] / sum : 1.0 / Timesteps;
            before = _cumulative[t] = before + share * (1 - UniformShare) + UniformShare / Timesteps;
        }
        _cumulative[^1] = 1;
    }
}
