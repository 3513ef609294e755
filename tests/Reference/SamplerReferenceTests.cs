using System.Text.Json;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Samplers against the steps of k-diffusion, diffusers and the authors of CFG++, on what their models predicted.</summary>
[TestFixture]
[Category("Reference")]
internal sealed class SamplerReferenceTests
{
    private const double Exact = 2e-5, OfFloatTables = 5e-4;

    private static IEnumerable<TestCaseData> Sigma => Variants(ReferenceKinds.SigmaSampler, "sampler");

    [TestCaseSource(nameof(Sigma))]
    public void Levels_agree(ReferenceCase reference, int variant)
    {
        var settings = reference.Config.GetProperty("variants")[variant];
        double[] values = [.. settings.GetProperty("level_arguments").EnumerateArray().Select(a => a.GetDouble())];
        int steps = (int)values[0];
        double[] levels = settings.GetProperty("levels").GetString() switch
        {
            "karras" => Spacing.Karras(steps, values[1], values[2], values.Length > 3 ? values[3] : 7),
            "exponential" => Spacing.Exponential(steps, values[1], values[2]),
            "polyexponential" => Spacing.PolyExponential(steps, values[1], values[2], values[3]),
            "vp" => Spacing.VariancePreserving(steps, values[1], values[2], values[3]),
            var other => throw new NotSupportedException(other),
        };
        float[] expected = reference.Read($"sigmas.{variant}");
        Assert.That(expected[^1], Is.Zero);
        for (int i = 0; i < steps; i++) Assert.That(levels[i], Is.EqualTo(expected[i]).Within(5e-6 * expected[i]), $"level {i}");
    }

    private static IEnumerable<TestCaseData> Scheduler => Variants(ReferenceKinds.Scheduler, "timestep_spacing");

    private static IEnumerable<TestCaseData> CfgPlusPlus => Variants(ReferenceKinds.CfgPlusPlus, "solver");

    private static IEnumerable<TestCaseData> Variants(string kind, string name) =>
        from reference in ReferenceCase.OfKind(kind)
        let variants = reference.Config.GetProperty("variants")
        from i in Enumerable.Range(0, variants.GetArrayLength())
        select new TestCaseData(reference, i).SetArgDisplayNames(reference.Name, i.ToString(), variants[i].GetProperty(name).GetString()!);

    [TestCaseSource(nameof(Sigma))]
    public void Sigma_space_samplers_take_the_steps_of_k_diffusion(ReferenceCase reference, int variant)
    {
        var config = reference.Config.GetProperty("variants")[variant];
        var options = config.GetProperty("options");
        double Option(string name, double otherwise) => options.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;
        double eta = Option("eta", 1), noiseScale = Option("s_noise", 1);
        var churn = new HeunChurn(Option("s_churn", 0), Option("s_tmin", 0), Option("s_tmax", double.PositiveInfinity), noiseScale);
        var schedule = new EdmPreconditioning();
        double[] sigmas = [.. reference.Read($"sigmas.{variant}").SkipLast(1).Select(s => (double)s)];
        NoiseLevel[] levels = NoiseLevel.FromSigmas(schedule, sigmas);
        Parameterization x0 = PredictionType.X0;
        string sampler = config.GetProperty("sampler").GetString()!;
        bool isMidpoint = !options.TryGetProperty("solver_type", out var solver) || solver.GetString() == "midpoint";
        SamplerTable table = sampler switch
        {
            "euler" => Samplers.EulerWithChurn(schedule, sigmas, x0, churn, clip: false),
            "heun" => Samplers.Heun(schedule, sigmas, x0, churn, clip: false),
            "dpm_2" => Samplers.Dpm2(schedule, sigmas, x0, churn, clip: false),
            "euler_ancestral" => Samplers.EulerAncestral(levels, x0, eta, clip: false),
            "dpm_2_ancestral" => Samplers.Dpm2Ancestral(schedule, sigmas, x0, eta, clip: false),
            "dpmpp_2s_ancestral" => Samplers.DpmSolver2SAncestral(schedule, sigmas, x0, eta, clip: false),
            "dpmpp_sde" => Samplers.DpmSolverSde(schedule, sigmas, x0, eta, Option("r", 0.5), clip: false),
            "dpmpp_2m" => Samplers.DpmSolver2M(levels, x0, clip: false),
            "dpmpp_2m_sde" => Samplers.DpmSolver(levels, x0, new DpmSolverOptions { Eta = eta, Midpoint = isMidpoint }, clip: false),
            "dpmpp_3m_sde" => Samplers.DpmSolver3MSde(levels, x0, eta, clip: false),
            "lms" => Samplers.Lms(levels, x0, (int)Option("order", 4), clip: false),
            _ => throw new AssertionException($"Unknown sampler {sampler}."),
        };
        if (sampler is not ("euler" or "heun" or "dpm_2")) table = table.With(r => r with { C = r.C * noiseScale });
        Check(Replay(reference, variant, table, inEdmSpace: true, "denoised"), reference, variant, inEdmSpace: true, Exact);
    }

    [TestCaseSource(nameof(Scheduler))]
    public void Schedulers_take_the_steps_of_diffusers(ReferenceCase reference, int variant)
    {
        var config = reference.Config.GetProperty("variants")[variant];
        bool Flag(string name) => config.TryGetProperty(name, out var value) && value.GetBoolean();
        string Text(string name) => config.GetProperty(name).GetString()!;
        var discrete = ScheduleOf(config);
        Parameterization network = Text("prediction_type") switch { "epsilon" => PredictionType.Eps, "v_prediction" => PredictionType.V, _ => PredictionType.X0 };
        bool limits = Flag("clip_sample") || Flag("thresholding");
        int steps = config.GetProperty("steps").GetInt32();
        int[] timesteps = [.. reference.Read($"timesteps.{variant}").Select(t => (int)t)];
        string scheduler = reference.Config.GetProperty("scheduler").GetString()!;
        NoiseLevel[] Levels(out NoiseLevel? final)
        {
            double[] sigmas = [.. reference.Read($"sigmas.{variant}").Select(s => (double)s)];
            final = sigmas[^1] > 0 ? NoiseLevel.FromSigmaEdm(discrete, sigmas[^1]) : null;
            return NoiseLevel.FromSigmas(discrete, sigmas[..^1]);
        }
        SamplerTable table;
        switch (scheduler)
        {
            case "DDIMScheduler":
                table = Ddim(config, discrete, network, timesteps, limits);
                RequireSpacing(config, timesteps, beyond: 0);
                break;
            case "DDPMScheduler":
                bool isLarge = Text("variance_type") == "fixed_large";
                table = Samplers.Ancestral(
                    discrete.Respace([.. timesteps.Reverse()]), network, isLarge ? AncestralVariance.FixedLarge : AncestralVariance.FixedSmall, limits);
                // diffusers draws noise for every timestep but 0, also for the step to the clean sample.
                if (isLarge && timesteps[^1] > 0)
                    table = table.With(r => r.StepIndex < steps - 1 ? r : r with { NoNoise = false, C = Math.Sqrt(1 - discrete.AlphaBar[timesteps[^1]]) });
                RequireSpacing(config, timesteps, beyond: 0);
                break;
            case "EulerDiscreteScheduler":
                table = Samplers.Euler(Levels(out _), network, clip: false);
                break;
            case "DPMSolverMultistepScheduler":
                var dpm = Levels(out var last);
                table = Samplers.DpmSolver(dpm, network, new DpmSolverOptions
                {
                    Order = config.GetProperty("solver_order").GetInt32(), Midpoint = Text("solver_type") == "midpoint", Eta = Text("algorithm_type").StartsWith("sde") ? 1 : 0,
                    IntegratesNoise = Text("algorithm_type") == "dpmsolver", LowersLastOrders = Flag("lower_order_final"), EndsInFirstOrder = Flag("euler_at_final"), Final = last,
                }, limits);
                RequireSpacing(config, timesteps, beyond: 1);
                break;
            default:
                var unipc = Levels(out var end);
                int[] uncorrected = [.. config.GetProperty("disable_corrector").EnumerateArray().Select(e => e.GetInt32())];
                Assert.That(uncorrected, Is.EqualTo(Enumerable.Range(0, uncorrected.Length)));
                table = Samplers.UniPC(unipc, network, new UniPCOptions
                {
                    Order = config.GetProperty("solver_order").GetInt32(), Exponential = Text("solver_type") == "bh2", IntegratesNoise = !Flag("predict_x0"),
                    LowersLastOrders = Flag("lower_order_final"), FirstCorrected = 1 + uncorrected.Length, Final = end,
                }, limits);
                RequireSpacing(config, timesteps, beyond: 1);
                break;
        }
        var replay = Replay(reference, variant, table, inEdmSpace: false, "predictions", LimitOf(config));
        bool isPlain = !Flag("thresholding") && (!Flag("clip_sample") || config.GetProperty("clip_sample_range").GetDouble() == 1);
        Check(replay, reference, variant, inEdmSpace: false, OfFloatTables, onKernel: isPlain);
    }

    [TestCaseSource(nameof(CfgPlusPlus))]
    public void Cfg_plus_plus_takes_the_steps_of_its_authors(ReferenceCase reference, int variant)
    {
        var config = reference.Config.GetProperty("variants")[variant];
        string solver = config.GetProperty("solver").GetString()!;
        bool inEdmSpace = solver != "ddim_cfg++";
        Parameterization eps = PredictionType.Eps;
        var schedule = new EdmPreconditioning();
        SamplerTable table;
        if (!inEdmSpace)
        {
            double[] alphas = [.. reference.Read($"alphas.{variant}").Select(a => (double)a)];
            // The authors' table ends with a step to the level where it is.
            table = Steps(alphas.Length - 1, i => Samplers.Ddim(
                [NoiseLevel.FromAlphaBar(alphas[i], 0), NoiseLevel.FromAlphaBar(Math.Max(alphas[i + 1], alphas[i] + 1e-9), 0)], eps, clip: false, rederiveEps: true));
        }
        else
        {
            var levels = NoiseLevel.FromSigmas(schedule, [.. reference.Read($"sigmas.{variant}").Where(s => s > 0).Select(s => (double)s)]);
            table = solver switch
            {
                "euler_cfg++" => Samplers.Euler(levels, eps, clip: false),
                "euler_a_cfg++" => Samplers.EulerAncestral(levels, eps, clip: false),
                _ => Samplers.DpmSolver2M(levels, eps, clip: false),
            };
        }
        var rule = new CfgPlusPlusRule();
        var replay = Replay(reference, variant, table.With(rule.Apply), inEdmSpace, "predictions", null, config.GetProperty("guidance").GetDouble());
        Check(replay, reference, variant, inEdmSpace, Exact);
    }

    private static SamplerTable Ddim(JsonElement config, DiscreteSchedule schedule, Parameterization network, int[] timesteps, bool limits)
    {
        var options = config.GetProperty("step_options");
        double eta = options.TryGetProperty("eta", out var given) ? given.GetDouble() : 0;
        bool rederives = options.TryGetProperty("use_clipped_model_output", out var clipped) && clipped.GetBoolean();
        // diffusers goes to t - T div N whatever the next timestep is.
        int stride = schedule.Timesteps / timesteps.Length;
        return Steps(timesteps.Length, i =>
        {
            NoiseLevel level = NoiseLevel.FromAlphaBar(schedule.AlphaBar[timesteps[i]], timesteps[i]);
            int target = timesteps[i] - stride;
            if (target < 0 && config.GetProperty("set_alpha_to_one").GetBoolean()) return Samplers.Ddim([level], network, eta, limits, rederives);
            return Samplers.Ddim([level, NoiseLevel.FromAlphaBar(schedule.AlphaBar[Math.Max(0, target)], 0)], network, eta, limits, rederives);
        });
    }

    /// <summary>The first step of each table.</summary>
    private static SamplerTable Steps(int count, Func<int, SamplerTable> step) =>
        new("steps", [.. Enumerable.Range(0, count).Select(i => step(i).Rows[0] with { StepIndex = i })], 1, (0, 1));

    private static DiscreteSchedule ScheduleOf(JsonElement config)
    {
        double start = config.GetProperty("beta_start").GetDouble(), end = config.GetProperty("beta_end").GetDouble();
        const int T = 1000;
        double Between(double from, double to, int t) => from + t * (to - from) / (T - 1);
        DiscreteSchedule schedule = config.GetProperty("beta_schedule").GetString() switch
        {
            "linear" => DiscreteSchedule.FromBetas([.. Enumerable.Range(0, T).Select(t => Between(start, end, t))]),
            "scaled_linear" => DiscreteSchedule.FromBetas([.. Enumerable.Range(0, T).Select(t => Math.Pow(Between(Math.Sqrt(start), Math.Sqrt(end), t), 2))]),
            _ => DiscreteSchedule.Cosine(T),
        };
        return config.GetProperty("rescale_betas_zero_snr").GetBoolean() ? schedule.WithZeroTerminalSnr() : schedule;
    }

    private static void RequireSpacing(JsonElement config, int[] timesteps, int beyond)
    {
        foreach (string levels in new[] { "use_karras_sigmas", "use_lu_lambdas" })
            if (config.TryGetProperty(levels, out var uses) && uses.GetBoolean()) return;
        int[] expected = config.GetProperty("timestep_spacing").GetString() switch
        {
            "leading" => Spacing.Leading(1000, timesteps.Length + beyond, config.GetProperty("steps_offset").GetInt32())[beyond..],
            "linspace" => Spacing.Linspace(1000, timesteps.Length + beyond)[beyond..],
            _ => Spacing.Trailing(1000, timesteps.Length),
        };
        Assert.That(timesteps, Is.EqualTo(expected.Reverse()));
    }

    private static Func<double[], double[]> LimitOf(JsonElement config)
    {
        if (!config.TryGetProperty("thresholding", out var limits) || !limits.GetBoolean())
        {
            double range = config.TryGetProperty("clip_sample_range", out var given) ? given.GetDouble() : 1;
            return x => [.. x.Select(v => Math.Clamp(v, -range, range))];
        }
        double ratio = config.GetProperty("dynamic_thresholding_ratio").GetDouble(), most = config.GetProperty("sample_max_value").GetDouble();
        return x =>
        {
            int length = x.Length / 2;
            return [.. x.Chunk(length).SelectMany(sample =>
            {
                double[] sizes = [.. sample.Select(Math.Abs).Order()];
                double at = ratio * (length - 1);
                int below = (int)at;
                double quantile = sizes[below] + (at - below) * (sizes[Math.Min(below + 1, length - 1)] - sizes[below]), q = Math.Clamp(quantile, 1, Math.Max(1, most));
                return sample.Select(v => Math.Clamp(v, -q, q) / q);
            })];
        };
    }

    private static TableReplay Replay(
        ReferenceCase reference, int variant, SamplerTable table, bool inEdmSpace, string predictions, Func<double[], double[]>? limit = null, double? scale = null)
    {
        double[] start = [.. reference.Read($"in.{variant}.x").Select(v => v * (inEdmSpace ? table.Rows[0].Alpha : 1.0))];
        double[][] Blocks(string name) => [.. reference.Read(name).Select(v => (double)v).Chunk(start.Length)];
        double[][] answers = Blocks($"out.{variant}.{predictions}"), noise = reference.Has($"in.{variant}.noise") ? Blocks($"in.{variant}.noise") : [];
        return new TableReplay
        {
            Table = table, Start = start, Noise = noise, Scale = scale ?? 1,
            Conditional = scale is null ? answers : [.. answers.Where((_, i) => i % 2 == 1)],
            Null = scale is null ? null : [.. answers.Where((_, i) => i % 2 == 0)],
            Limit = limit ?? (x => [.. x.Select(v => Math.Clamp(v, -1, 1))]),
        };
    }

    private static void Check(TableReplay replay, ReferenceCase reference, int variant, bool inEdmSpace, double fraction, bool onKernel = true)
    {
        float[][] expected = [.. reference.Read($"out.{variant}.states").Chunk(replay.Start.Length)];
        AssertSteps(replay.InDouble(), fraction, "in double");
        if (onKernel) AssertSteps(replay.OnKernel(), OfFloatTables, "by the kernel");

        void AssertSteps(List<double[]> states, double bound, string what)
        {
            Assert.That(states, Has.Count.EqualTo(expected.Length));
            for (int step = 0; step < expected.Length; step++)
            {
                double alpha = inEdmSpace ? replay.Table.Rows.FirstOrDefault(r => r.StepIndex == step + 1)?.Alpha ?? 1 : 1;
                ReferenceCase.AssertClose([.. states[step].Select(v => (float)(v / alpha))], expected[step], bound, $"{what}, state after step {step}");
            }
        }
    }
}
