using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Whole guided trajectories against the published implementations, state by state, with their noise.</summary>
[TestFixture]
[Category("Reference")]
public sealed class TrajectoryReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.Trajectory);

    [TestCaseSource(nameof(Cases))]
    public void Every_state_agrees(ReferenceCase reference)
    {
        var config = reference.Config;
        var networkCase = reference.Sibling(config.GetProperty("model").GetString()!);
        var network = ModelJson.Read<UNetConfig>(networkCase.Config.GetRawText());
        string schedule = config.GetProperty("schedule").GetString()!;
        var settings = new DiffusionSettings
        {
            Schedule = schedule switch { "linear" => NoiseScheduleKind.Linear, "cosine" => NoiseScheduleKind.Cosine, _ => NoiseScheduleKind.Continuous },
            ClassNames = [.. Enumerable.Range(0, (network.NumClasses ?? 1) - 1).Select(i => i.ToString())],
        };
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(network, settings, kernels);
        networkCase.LoadWeights(model.Parameters, kernels);

        bool clip = config.GetProperty("clip_denoised").GetBoolean();
        SamplerTable table;
        if (schedule == "continuous")
        {
            var continuous = settings.Continuous();
            double[] logSnr = reference.Read("log_snr").Select(v => (double)v).ToArray();
            var levels = continuous.Levels(Spacing.UniformU(logSnr.Length));
            Assert.That(levels.Select(l => l.LogSnr), Is.EqualTo(logSnr).Within(1e-5), "log-SNR levels");
            table = Samplers.Algorithm2(levels, PredictionType.Eps, config.GetProperty("v").GetDouble(), clip);
        }
        else
        {
            int[] map = [.. reference.Read("timestep_map").Select(v => (int)v)];
            var respaced = settings.Discrete().Respace(map);
            table = config.GetProperty("ddim").GetBoolean()
                ? Samplers.Ddim(respaced.Levels(), PredictionType.Eps, config.GetProperty("eta").GetDouble(), clip)
                : Samplers.Ancestral(respaced, PredictionType.Eps, AncestralVariance.LearnedRange, clip);
        }

        int[] labels = [.. reference.Read("in.y").Select(v => (int)v)];
        int n = labels.Length, size = network.ImageSize, c = network.InChannels, count = n * c * size * size;
        double w = config.TryGetProperty("guidance_strength_w", out var strength) ? strength.GetDouble() : 0;
        float[] noise = reference.Read("in.noise"), trajectory = reference.Read("out.trajectory");
        float[] At(float[] all, int step) => ReferenceCase.ToNhwc(all[(step * count)..((step + 1) * count)], n, c, size, size);
        int compared = 0;
        using var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions
        {
            Batch = n,
            InitialState = ReferenceCase.ToNhwc(reference.Read("in.xT"), n, c, size, size),
            Noise = step => At(noise, step),
            AfterEvaluation = (step, state) =>
            {
                ReferenceCase.AssertClose(state.Span.ToArray(), At(trajectory, step), 2e-3, $"state after step {step}");
                compared++;
            },
        });
        // A label that is the network's last class is our null label.
        sampler.Sample([.. labels.Select((y, i) => new SampleRequest(y == model.NullLabel ? -1 : y, (GuidanceScale)new GuidanceStrength(w), i))], (_, _) => { });
        Assert.That(compared, Is.EqualTo(table.Rows.Count));
    }
}
