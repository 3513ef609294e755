using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Classifier guidance and EluCD against the published implementations, state by state, with their noise.</summary>
[TestFixture]
[Category("Reference")]
public sealed class GradientGuidanceReferenceTests
{
    private static IEnumerable<TestCaseData> VpRuns => new[]
    {
        ReferenceKinds.GuidedTrajectory, ReferenceKinds.EluCdTrajectory, ReferenceKinds.ClassifierGuidance, ReferenceKinds.EluCdDdpm,
    }.SelectMany(GuidedRun.OfKind);

    private static IEnumerable<TestCaseData> EdmRuns => GuidedRun.OfKind(ReferenceKinds.EluCdEdm);

    [TestCaseSource(nameof(VpRuns))]
    public void Every_state_of_a_vp_sampler_agrees(ReferenceCase reference, int variant)
    {
        var run = new GuidedRun(reference, variant);
        using var kernels = new CpuKernels(2);
        using var model = run.VpModel(kernels);
        var (network, settings) = ((UNetConfig)model.Network.Config, model.Settings);
        using var classifierParameters = new Parameters(kernels);
        GradientGuider guider;
        bool ddim = run.Flag("ddim", false), clips = run.Flag("clip_denoised", true), rescales = run.Flag("rescale_timesteps", false);
        double scale = run.Number("classifier_scale", 1);
        if (run.Has("joint_temperature"))
            guider = new EluCdGuider(Guide(reference.Sibling(run.Text("classifier")), classifierParameters, kernels, run), new EluCdSettings
            {
                Scale = scale, JointTemperature = run.Number("joint_temperature", 1), MarginalTemperature = run.Number("marginal_temperature", 1),
                Sine = run.Number("gamma_factor", 0), ReadsVarianceOfBatch = true,
            });
        else
        {
            var classifierCase = reference.Sibling(run.Text("classifier"));
            var classifier = new EncoderUNet(ModelJson.Read<EncoderUNetConfig>(classifierCase.Config.GetRawText()));
            classifier.Declare(classifierParameters);
            classifierCase.LoadWeights(classifierParameters, kernels);
            guider = new ClassifierGuider(new NoisyClassifier(classifier, classifierParameters), scale, ddim ? GradientTarget.Score : GradientTarget.Mean);
        }

        int[] map = [.. run.Read("timesteps", "timestep_map").Select(v => (int)v)];
        var respaced = settings.Discrete().WithTimesteps(rescales).Respace(map);
        var variance = run.Has("variance") ? run.Text("variance") switch
        {
            "learned_range" => AncestralVariance.LearnedRange, "fixed_large" => AncestralVariance.FixedLarge, _ => AncestralVariance.FixedSmall,
        } : AncestralVariance.LearnedRange;
        var table = ddim
            ? Samplers.Ddim(respaced.Levels(), PredictionType.Eps, run.Number("eta", 0), clips, rederiveEps: true)
            : Samplers.Ancestral(respaced, PredictionType.Eps, variance, clips);
        run.Check(model, table, guider, kernels, network.ImageSize, run.Labels("y"));
    }

    [TestCaseSource(nameof(EdmRuns))]
    public void Every_state_of_edm_agrees(ReferenceCase reference, int variant)
    {
        var run = new GuidedRun(reference, variant);
        var networkCase = reference.Sibling(run.Text("model"));
        var config = EdmReferenceTests.Config(networkCase);
        var settings = EdmReferenceTests.Settings(networkCase) with
        {
            NullClass = false, ClassNames = [.. Enumerable.Range(0, config.LabelDim).Select(i => i.ToString())],
        };
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(config, settings, kernels);
        networkCase.LoadWeights(model.Parameters, kernels, EdmConfig.Prefixes[0], EdmConfig.IsBuffer);
        using var classifierParameters = new Parameters(kernels);
        var guider = new EluCdEdmGuider(Guide(reference.Sibling(run.Text("classifier")), classifierParameters, kernels, run), new EluCdSettings
        {
            Scale = run.Number("max_guidance", 0), JointTemperature = run.Number("joint_temperature", 1),
            MarginalTemperature = run.Number("uncond_temperature", 1), Sine = run.Number("add_factor", 0),
        });
        double[] sigmas = Spacing.Karras((int)run.Number("num_steps", 0), run.Number("sigma_min", 0), run.Number("sigma_max", 0), run.Number("rho_levels", 7));
        var churn = new HeunChurn(run.Number("S_churn", 0), run.Number("S_min", 0), run.Number("S_max", double.PositiveInfinity), run.Number("S_noise", 1));
        var table = Samplers.Heun(settings.NoiseSchedule(), sigmas, settings.Parameterization, churn, clip: false);
        float[] classes = run.Read("class_labels");
        int[] labels = [.. Enumerable.Range(0, classes.Length / config.LabelDim).Select(i => Array.FindIndex(classes, i * config.LabelDim, c => c == 1) - i * config.LabelDim)];
        run.Check(model, table, guider, kernels, config.ImgResolution, labels, sigmas[0]);
    }

    private static ResNetClassifier Guide(ReferenceCase reference, Parameters parameters, CpuKernels kernels, GuidedRun run)
    {
        const string Prefix = "weights.";
        using var file = SafetensorsFile.Open(reference.Path);
        var network = new ResNet(ResNetConfig.Infer(file.Tensors.Where(t => t.Name.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(t => t.Name[Prefix.Length..], t => t.Shape))!);
        network.Declare(parameters);
        network.Read(file, Prefix, parameters, kernels);
        return new ResNetClassifier(network, parameters, new ResNetGuideOptions { SoftplusBeta = run.Number("softplus_beta", double.PositiveInfinity) });
    }
}
