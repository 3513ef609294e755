using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>EDM's networks inside their preconditioning, and its sampler, against the published implementation.</summary>
[TestFixture]
[Category("Reference")]
public sealed class EdmReferenceTests
{
    private static IEnumerable<ReferenceCase> Networks => ReferenceCase.OfKind(ReferenceKinds.EdmNetwork);

    [TestCaseSource(nameof(Networks))]
    public void Output_and_gradients_agree(ReferenceCase reference)
    {
        var settings = Settings(reference);
        var config = Config(reference);
        // Under iDDPM's preconditioning the network learns a variance too.
        if (settings.Schedule == NoiseScheduleKind.Iddpm) config = config with { OutChannels = 2 * config.ImgChannels };
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = config.CreateNetwork();
        network.Declare(parameters);
        reference.LoadWeights(parameters, kernels, EdmConfig.Prefixes[0], EdmConfig.IsBuffer);

        double[] sigmas = [.. reference.Read("in.sigma").Select(s => (double)s)];
        int n = sigmas.Length, size = config.ImgResolution, channels = config.ImgChannels;
        float[] Image(string name) => ReferenceCase.ToNhwc(reference.Read(name), n, channels, size, size);
        var b = new PlanBuilder(kernels, parameters);
        var x = b.Input("x", new Shape(n, size, size, channels));
        var classes = config.LabelDim == 0 ? null : b.Input("classes", new Shape(n, config.LabelDim));
        var augmentation = reference.Has("in.augment_labels") ? b.Input("augmentation", new Shape(n, config.AugmentDim)) : null;
        var denoiser = new Denoiser(b, n);
        var output = b.Output("out", denoiser.Record(b, x, (scaled, noise) => network.RecordVectors(b, scaled, noise, classes, augmentation)));
        var cotangent = b.Input("cotangent", output.Shape);
        b.Backward(output, cotangent, parameters: true, x);
        var dx = b.Output("dx", b.GradientOf(x));
        using var plan = b.Build();
        kernels.Upload(Image("in.x"), x.View);
        if (classes is not null) kernels.Upload(reference.Has("in.class_labels") ? reference.Read("in.class_labels") : new float[n * config.LabelDim], classes.View);
        if (augmentation is not null) kernels.Upload(reference.Read("in.augment_labels"), augmentation.View);
        kernels.Upload(Image("cotangent"), cotangent.View);
        denoiser.Upload(kernels, settings.NoiseSchedule(), settings.Parameterization, sigmas);
        plan.Run();

        ReferenceCase.AssertClose(output.View.Span.ToArray(), Image("out"), 2e-4, "output");
        ReferenceCase.AssertClose(dx.View.Span.ToArray(), Image("grad_in.x"), 2e-4, "input gradient");
        reference.AssertParameterGradients(parameters, EdmConfig.Prefixes[0]);
    }

    private static IEnumerable<ReferenceCase> Trajectories => ReferenceCase.OfKind(ReferenceKinds.EdmTrajectory);

    [TestCaseSource(nameof(Trajectories))]
    public void Every_state_agrees(ReferenceCase reference)
    {
        double Setting(string name, double otherwise) =>
            reference.Config.EnumerateObject().Where(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(p => p.Value.GetDouble()).Append(otherwise).First();
        var networkCase = reference.Sibling(reference.Config.GetProperty("model").GetString()!);
        // With a share of dropped labels the network has a null class.
        var config = Config(networkCase) with { LabelDropout = 0.1 };
        var settings = Settings(networkCase) with { ClassNames = [.. Enumerable.Range(0, config.LabelDim).Select(i => i.ToString())] };
        if (settings.Schedule == NoiseScheduleKind.Iddpm) config = config with { OutChannels = 2 * config.ImgChannels };
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(config, settings, kernels);
        networkCase.LoadWeights(model.Parameters, kernels, EdmConfig.Prefixes[0], EdmConfig.IsBuffer);

        float[] latents = reference.Read("in.latents"), trajectory = reference.Read("out.trajectory");
        float[]? noise = reference.Has("in.noise") ? reference.Read("in.noise") : null;
        int row = config.ImgResolution * config.ImgResolution * config.ImgChannels, n = latents.Length / row, compared = 0;
        float[] At(float[] all, int step) =>
            ReferenceCase.ToNhwc(all[(step * latents.Length)..((step + 1) * latents.Length)], n, config.ImgChannels, config.ImgResolution, config.ImgResolution);
        float[] classes = reference.Has("in.class_labels") ? reference.Read("in.class_labels") : [];
        var schedule = settings.NoiseSchedule();
        var (least, greatest) = schedule.SigmaRange;
        double[] sigmas =
        [
            .. Spacing.Karras((int)Setting("num_steps", 18), Math.Max(Setting("sigma_min", 0.002), least), Math.Min(Setting("sigma_max", 80), greatest), Setting("rho", 7))
                .Select(schedule.RoundSigma),
        ];
        // iDDPM's published table is a recursion in float32, which is off by as much.
        double percent = settings.Schedule == NoiseScheduleKind.Iddpm ? 0.1 : 1e-3;
        if (reference.Has("sigmas")) Assert.That(sigmas.Append(0), Is.EqualTo(reference.Read("sigmas").Select(s => (double)s)).Within(percent).Percent);
        var churn = new HeunChurn(Setting("S_churn", 0), Setting("S_min", 0), Setting("S_max", double.PositiveInfinity), Setting("S_noise", 1));
        var table = Samplers.Heun(schedule, sigmas, settings.Parameterization, churn, clip: false);
        using var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions
        {
            Batch = n,
            InitialState = [.. At(latents, 0).Select(v => (float)(v * sigmas[0]))],
            Noise = r => noise is null ? new float[latents.Length] : At(noise, table.Rows[r].StepIndex),
            AfterEvaluation = (r, state) =>
            {
                int step = table.Rows[r].StepIndex;
                if (r + 1 < table.Rows.Count && table.Rows[r + 1].StepIndex == step) return;
                ReferenceCase.AssertClose(state.Span.ToArray(), At(trajectory, step), 2e-3, $"state after step {step}");
                compared++;
            },
        });
        var scale = new GuidanceScale(Setting("guidance_scale", 1));
        sampler.Sample([.. Enumerable.Range(0, n).Select(i => new SampleRequest(
            config.LabelDim == 0 ? -1 : Array.IndexOf(classes, 1f, i * config.LabelDim, config.LabelDim) is >= 0 and int at ? at - i * config.LabelDim : -1, scale, i))], (_, _) => { });
        Assert.That(compared, Is.EqualTo(sigmas.Length));
    }

    internal static EdmConfig Config(ReferenceCase reference) => reference.Config.GetProperty("model_type").GetString() == "SongUNet"
        ? ModelJson.Read<SongUNetConfig>(reference.Config.GetRawText())
        : ModelJson.Read<DhariwalUNetConfig>(reference.Config.GetRawText());

    // The cases are EDM-preconditioned; others say so in "precond", by the names of EDM's training options or of its classes.
    internal static DiffusionSettings Settings(ReferenceCase reference) => new()
    {
        Schedule = (reference.Config.TryGetProperty("precond", out var kind) ? kind.GetString()!.ToUpperInvariant() : "EDM").Replace("PRECOND", "", StringComparison.Ordinal) switch
        {
            "VP" => NoiseScheduleKind.VpSde,
            "VE" => NoiseScheduleKind.VeSde,
            "IDDPM" => NoiseScheduleKind.Iddpm,
            _ => NoiseScheduleKind.Edm,
        },
        SigmaData = reference.Config.TryGetProperty("sigma_data", out var sigmaData) ? sigmaData.GetDouble() : 0.5,
    };
}
