using NUnit.Framework;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>Raw outputs of a network at one scalar: with the condition, without it, and the variance channel.</summary>
internal readonly record struct Output(double Conditional, double Null, double Nu = 0);

/// <summary>Runs a table on one scalar in double: the definition that the fused kernel is held to.</summary>
internal static class ScalarSampler
{
    public delegate Output Network(SamplerRow row, double input);

    /// <summary>The states after every row. <paramref name="noise"/> gives the standard normal number of a row index.</summary>
    public static double[] Run(SamplerTable table, Network network, double z, Func<int, double> noise, double scale = 1, GuidanceInterval interval = default)
    {
        var states = new double[table.Rows.Count];
        double h1 = double.NaN, h2 = double.NaN, h3 = double.NaN, state = double.NaN;
        for (int i = 0; i < states.Length; i++)
        {
            SamplerRow r = table.Rows[i];
            Output o = r.Evaluates ? network(r, r.InputScale * z) : default;
            double s = interval.Contains(new GuidanceMoment(r.StepIndex, table.Steps, r.LogSnr)) ? scale : 1;
            double g = s == 1 ? o.Conditional : o.Null + s * (o.Conditional - o.Null);
            double x = r.XFromZ * z + r.XFromG * g;
            if (r.Clip) x = Math.Clamp(x, -1, 1);
            double f = (o.Nu + 1) / 2, c = r.LearnedVariance ? Math.Exp(0.5 * (f * r.LogVarMax + (1 - f) * r.LogVarMin)) : r.C;
            double y = r.A * z + r.B * x + r.E * g + (r.P == 0 ? 0 : r.P * h1) + (r.P2 == 0 ? 0 : r.P2 * h2)
                + (r.P3 == 0 ? 0 : r.P3 * h3) + (r.Q == 0 ? 0 : r.Q * state) + r.F * o.Null + (r.NoNoise ? 0 : c * noise(i));
            (h2, h3) = (r.ShiftHistories > 0 ? h1 : h2, r.ShiftHistories > 1 ? h2 : h3);
            if (r.StoreHistory) h1 = r.HistoryFromZ * z + r.HistoryFromX * x + r.HistoryFromP1 * o.Null;
            if (r.StoreState) state = z;
            states[i] = z = y;
        }

        return states;
    }

    /// <summary>The same in float, coefficients and state.</summary>
    public static double RunFloat(SamplerTable table, Network network, float z, Func<int, double> noise, float scale)
    {
        float h1 = 0, h2 = 0;
        for (int i = 0; i < table.Rows.Count; i++)
        {
            SamplerRow r = table.Rows[i];
            Output o = r.Evaluates ? network(r, (float)r.InputScale * z) : default;
            float g = (float)o.Null + scale * ((float)o.Conditional - (float)o.Null);
            float x = (float)r.XFromZ * z + (float)r.XFromG * g;
            if (r.Clip) x = Math.Clamp(x, -1, 1);
            float y = (float)r.A * z + (float)r.B * x + (float)r.E * g + (float)r.P * h1 + (float)r.Q * h2 + (r.NoNoise ? 0 : (float)r.C * (float)noise(i));
            if (r.StoreHistory) h1 = (float)r.HistoryFromZ * z + (float)r.HistoryFromX * x;
            if (r.StoreState) h2 = z;
            z = y;
        }

        return z;
    }

    /// <summary>For a linear model: the factor, offset and noise weight of one row without history.</summary>
    public static (double Factor, double Offset, double Noise) Linear(SamplerRow row, Network network)
    {
        Assert.That((row.P, row.Q), Is.EqualTo((0.0, 0.0)));
        double At(double z)
        {
            double g = network(row, row.InputScale * z).Conditional;
            return row.A * z + row.B * (row.XFromZ * z + row.XFromG * g) + row.E * g;
        }

        return (At(1) - At(0), At(0), row.NoNoise ? 0 : row.C);
    }

    public static Func<int, double> NoNoise => _ => 0;

    /// <summary>Reproducible normal numbers, the same for every table.</summary>
    public static Func<int, double> Normals(int seed)
    {
        var random = new Random(seed);
        double[] values = new double[2048];
        for (int i = 0; i < values.Length; i++) values[i] = Normal(random);
        return i => values[i];
    }

    public static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}

/// <summary>Exact denoisers for data that is a mixture of Gaussians.</summary>
internal static class ExactModel
{
    public static Func<NoiseLevel, double, double> Gaussian(double mean, double variance) => Mixture((1, mean, variance));

    /// <summary>The posterior mean of x0 at a VP state.</summary>
    public static Func<NoiseLevel, double, double> Mixture(params (double Weight, double Mean, double Variance)[] parts) => (level, z) =>
    {
        double best = double.NegativeInfinity, total = 0, x = 0;
        Span<double> logs = stackalloc double[parts.Length];
        for (int k = 0; k < parts.Length; k++)
        {
            double v = level.Alpha * level.Alpha * parts[k].Variance + level.Sigma * level.Sigma, d = z - level.Alpha * parts[k].Mean;
            logs[k] = Math.Log(parts[k].Weight) - 0.5 * Math.Log(v) - 0.5 * d * d / v;
            best = Math.Max(best, logs[k]);
        }

        for (int k = 0; k < parts.Length; k++)
        {
            (_, double mean, double variance) = parts[k];
            double v = level.Alpha * level.Alpha * variance + level.Sigma * level.Sigma, w = Math.Exp(logs[k] - best);
            total += w;
            x += w * (mean * level.Sigma * level.Sigma + level.Alpha * variance * z) / v;
        }

        return x / total;
    };

    /// <summary>A network of a given prediction type that reads a VP state.</summary>
    public static ScalarSampler.Network Network(PredictionType type, Func<NoiseLevel, double, double> conditional, Func<NoiseLevel, double, double>? unconditional = null) => (row, z) =>
    {
        NoiseLevel level = LevelOf(row);
        double Raw(double x0) => type switch
        {
            PredictionType.X0 => x0,
            PredictionType.Eps => (z - level.Alpha * x0) / level.Sigma,
            _ => (level.Alpha * z - x0) / level.Sigma,
        };
        double c = Raw(conditional(level, z));
        return new(c, unconditional is null ? c : Raw(unconditional(level, z)));
    };

    /// <summary>An EDM network: F such that cSkip xE + cOut F is the exact denoiser.</summary>
    public static ScalarSampler.Network Edm(EdmPreconditioning edm, Func<NoiseLevel, double, double> conditional) => (row, input) =>
    {
        NoiseLevel level = LevelOf(row);
        double s = level.SigmaEdm, xE = input / edm.CIn(s);
        double f = (conditional(level, level.Alpha * xE) - edm.CSkip(s) * xE) / edm.COut(s);
        return new(f, f);
    };

    private static NoiseLevel LevelOf(SamplerRow row) => NoiseLevel.FromLogSnr(AnyTime.Instance, row.LogSnr);

    private sealed class AnyTime : INoiseSchedule
    {
        public static readonly AnyTime Instance = new();

        public double TimestepAt(double logSnr) => 0;
    }
}
