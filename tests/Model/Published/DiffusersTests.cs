using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>Folders of diffusers against what that library computes of them.</summary>
internal sealed class DiffusersTests
{
    [TestCase("ddpm", "")]
    [TestCase("ddpm", "diffusion_pytorch_model.safetensors")]
    [TestCase("classes", "unet")]
    [TestCase("classes", "")]
    [TestCase("dit", "")]
    [TestCase("dit", "transformer")]
    [TestCase("dit", "transformer/diffusion_pytorch_model.safetensors")]
    public void A_network_predicts_what_the_library_predicts(string name, string path)
    {
        using var recorded = new DiffusersCase(name);
        using var model = DiffusionModel.Load(recorded.PathTo(path), new CpuKernels(2));
        AssertClose(recorded.Predict(model), recorded.Images("out"), 1e-5);
        Assert.That(model.Assumptions.Select(a => a.Setting), name == "classes" ? Is.EqualTo(new[] { "null_class" }) : Is.Empty);
        Assert.That(model.AutoencoderFolder, name == "dit" ? Is.EqualTo(recorded.PathTo("vae")) : Is.Null);
    }

    [TestCase("ddpm")]
    [TestCase("classes")]
    [TestCase("dit")]
    public void A_saved_model_is_the_same(string name)
    {
        using var recorded = new DiffusersCase(name);
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        model.Save(recorded.PathTo("own.safetensors"));
        using var again = DiffusionModel.Load(recorded.PathTo("own.safetensors"), new CpuKernels(1));
        Assert.That(recorded.Predict(again), Is.EqualTo(recorded.Predict(model)));
        Assert.That(again.Settings with { ClassNames = model.Settings.ClassNames, UntrainedLabels = model.Settings.UntrainedLabels }, Is.EqualTo(model.Settings));
    }

    [Test]
    public void Ddim_goes_the_way_that_the_library_goes()
    {
        using var recorded = new DiffusersCase("ddpm");
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(2));
        // The library keeps its noise levels in single precision.
        AssertClose(Sample(model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 5, Spacing = SpacingKind.Trailing, Clip = false }, recorded.Images("noise"), -1, 1), recorded.Images("ddim"), 1e-4);
    }

    [Test]
    public void A_pipeline_of_latents_makes_the_librarys_picture()
    {
        using var recorded = new DiffusersCase("dit");
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(2));
        float[] latents = Sample(model, model.Settings.Sampler! with { Steps = 4 }, recorded.Images("noise"), 2, model.Settings.GuidanceScale!.Value);
        AssertClose(latents, recorded.Images("ddim"), 1e-4);

        using var decoder = LatentDecoder.Load(recorded.Folder, model);
        var b = new PlanBuilder(model.Kernels, model.Parameters);
        var input = b.Input("latents", new Shape(1, 4, 4, 2));
        var pixels = b.Output("pixels", decoder.Record(b, input));
        using var plan = b.Build();
        model.Kernels.Upload(recorded.Images("ddim"), input.View);
        plan.Run();
        float[] image = new float[pixels.Count];
        model.Kernels.Download(pixels.View, image);
        AssertClose(image, recorded.Images("image"), 1e-5);
    }

    [Test]
    public void Settings_are_those_of_the_files()
    {
        using DiffusersCase ddpm = new("ddpm"), classes = new("classes"), dit = new("dit");
        using var kernels = new CpuKernels(1);
        using DiffusionModel faces = DiffusionModel.Load(ddpm.Folder, kernels), labelled = DiffusionModel.Load(classes.Folder, kernels), latents = DiffusionModel.Load(dit.Folder, kernels);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(faces.Settings.Sampler, Is.EqualTo(new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 1000, Spacing = SpacingKind.Leading, Variance = AncestralVariance.FixedLarge }));
            Assert.That((faces.Settings.Schedule, faces.Settings.Prediction, faces.Settings.LatentScale), Is.EqualTo((NoiseScheduleKind.Linear, PredictionType.Eps, (double?)null)));
            Assert.That(((UNet2DConfig)faces.Network.Config).AttentionHeadDim, Is.Null);
            Assert.That((labelled.Settings.Schedule, labelled.Settings.Timesteps, labelled.Settings.Prediction), Is.EqualTo((NoiseScheduleKind.Cosine, 500, PredictionType.V)));
            Assert.That((labelled.Settings.Sampler!.Variance, labelled.Settings.Sampler.Clip, labelled.Settings.NullClass), Is.EqualTo(((AncestralVariance?)AncestralVariance.LearnedRange, false, false)));
            Assert.That(labelled.Settings.ClassNames, Has.Length.EqualTo(5));
            Assert.That((latents.Settings.Schedule, latents.Settings.LatentScale, latents.Settings.NullClass), Is.EqualTo((NoiseScheduleKind.ScaledLinear, (double?)0.75, true)));
            Assert.That(latents.Settings.ClassNames, Is.EqualTo(new[] { "one", "two", "three" }));
            Assert.That(latents.Settings.Sampler, Is.EqualTo(new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 50, Spacing = SpacingKind.Leading, StepsOffset = 1, Clip = false }));
            Assert.That(latents.Settings.Discrete().Betas[500], Is.EqualTo(Math.Pow(Math.Sqrt(0.00085) + 500 / 999.0 * (Math.Sqrt(0.012) - Math.Sqrt(0.00085)), 2)).Within(1e-15));
        }
    }

    [TestCase("PNDMScheduler", SamplerKind.Ddim, "ddim takes its place")]
    [TestCase("DPMSolverMultistepScheduler", SamplerKind.DpmSolver2M, null)]
    [TestCase("EulerDiscreteScheduler", SamplerKind.Euler, null)]
    [TestCase("EulerAncestralDiscreteScheduler", SamplerKind.EulerAncestral, null)]
    [TestCase("UniPCMultistepScheduler", SamplerKind.UniPC, null)]
    public void The_schedulers_class_is_the_sampler(string name, SamplerKind kind, string? remark)
    {
        using var recorded = new DiffusersCase("dit");
        recorded.Change("scheduler/scheduler_config.json", "DDIMScheduler", name);
        recorded.Change("scheduler/scheduler_config.json", "\"rescale_betas_zero_snr\": false", "\"lambda_min_clipped\": -Infinity");
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        Assert.That(model.Settings.Sampler!.Kind, Is.EqualTo(kind));
        Assert.That(model.Settings.Sampler.Build(model).Steps, Is.EqualTo(50));
        Assert.That(model.Remarks, remark is null ? Is.Empty : Has.One.Contains(remark));
    }

    [TestCase("\"two\"", "\"ONE, uno\"", "one (0)|ONE (1)|three")]
    [TestCase("\"1\": \"two\"", "\"7\": \"two\"", "0|1|2")]
    [TestCase("\"two\"", "2", "0|1|2")]
    [TestCase("id2label", "labels", "0|1|2")]
    public void Classes_have_the_pipelines_names_or_numbers(string before, string after, string names)
    {
        using var recorded = new DiffusersCase("dit");
        recorded.Change("model_index.json", before, after);
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        Assert.That(string.Join('|', model.Settings.ClassNames), Is.EqualTo(names));
    }

    [Test]
    public void Old_files_say_the_prediction_in_their_way()
    {
        using var recorded = new DiffusersCase("ddpm");
        recorded.Change("scheduler_config.json", "\"prediction_type\": \"epsilon\"", "\"predict_epsilon\": false");
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        Assert.That(model.Settings.Prediction, Is.EqualTo(PredictionType.X0));
    }

    [Test]
    public void Settings_of_other_libraries_are_left_alone()
    {
        using var recorded = new DiffusersCase("ddpm");
        string other = recorded.PathTo("sub/model.safetensors");
        Directory.CreateDirectory(recorded.PathTo("sub"));
        PublishedFixture.Write(other, PublishedFixture.Adm);
        foreach (string text in new[] { "no JSON", """{"model_type": "bert"}""", "[]" })
        {
            File.WriteAllText(recorded.PathTo("sub/config.json"), text);
            using var file = CheckpointFile.Open(other);
            Assert.That(PublishedCheckpoint.Require(file).Architecture, Is.EqualTo("adm_unet"), text);
        }
    }

    [Test]
    public void Zero_terminal_snr_and_karras_levels_are_taken_over()
    {
        using var recorded = new DiffusersCase("dit");
        recorded.Change("scheduler/scheduler_config.json", "\"rescale_betas_zero_snr\": false", "\"rescale_betas_zero_snr\": true");
        recorded.Change("scheduler/scheduler_config.json", "epsilon", "v_prediction");
        recorded.Change("scheduler/scheduler_config.json", "leading", "trailing");
        recorded.Change("scheduler/scheduler_config.json", "\"thresholding\": false", "\"thresholding\": true");
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        Assert.That(model.Settings.Sampler, Is.EqualTo(new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 50, Spacing = SpacingKind.Trailing, ZeroTerminalSnr = true, Clip = false }));
        Assert.That(model.Remarks, Has.One.Contains("thresholding"));
        recorded.Change("scheduler/scheduler_config.json", "\"rescale_betas_zero_snr\": true", "\"use_karras_sigmas\": true");
        using var other = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        Assert.That(other.Settings.Sampler!.Spacing, Is.EqualTo(SpacingKind.Karras));
    }

    [Test]
    public void Without_settings_what_is_assumed_is_said()
    {
        using DiffusersCase ddpm = new("ddpm"), dit = new("dit");
        string path = ddpm.PathTo("wide.safetensors");
        PublishedFixture.Write(path, new UNet2DConfig { SampleSize = 8, BlockOutChannels = [32, 32], DownBlockTypes = [UNet2DConfig.Down, UNet2DConfig.AttentionDown], UpBlockTypes = [UNet2DConfig.AttentionUp, UNet2DConfig.Up] });
        File.Delete(ddpm.PathTo("config.json"));
        File.Delete(ddpm.PathTo("scheduler_config.json"));
        File.Delete(ddpm.PathTo("model_index.json"));
        Assert.That(() => DiffusionModel.Load(ddpm.PathTo("diffusion_pytorch_model.safetensors")), Throws.TypeOf<CheckpointException>().With.Message.Contains("norm_num_groups").And.Message.Contains("config.json"));
        using (var file = CheckpointFile.Open(path))
        {
            var found = PublishedCheckpoint.Require(file);
            Assert.That(found.Architecture, Is.EqualTo("unet2d"));
            Assert.That(found.Assumptions.Select(a => a.Setting), Is.SupersetOf(new[] { "image_size", "norm_num_groups", "norm_eps", "flip_sin_to_cos", "downsample_padding", "noise_schedule", "prediction" }));
            var said = PublishedCheckpoint.Require(file, new PublishedSettings { ImageSize = 8, Schedule = NoiseScheduleKind.ScaledLinear, Timesteps = 100 });
            Assert.That((((UNet2DConfig)said.Config).SampleSize, said.Settings!.Schedule, said.Settings.Timesteps), Is.EqualTo((8, NoiseScheduleKind.ScaledLinear, 100)));
        }
        File.Delete(dit.PathTo("transformer/config.json"));
        using (var file = CheckpointFile.Open(dit.PathTo("transformer")))
            Assert.That(PublishedCheckpoint.Require(file).Assumptions.Select(a => a.Setting), Is.SupersetOf(new[] { "input_size", "num_heads", "latent_scale" }));
    }

    [TestCase(32, 1, "ddpm-cifar10-32")]
    [TestCase(256, 4, "ddpm-celebahq-256")]
    public void Published_networks_are_known_by_their_tensors(int size, int attention, string name)
    {
        var config = size == 32 ? UNet2DConfig.Ddpm32 : UNet2DConfig.Ddpm256;
        var family = NetworkFamilies.All.First(f => f.Name == "unet2d");
        Assert.That(family.PublishedAs(family.Infer(family.TensorsOf(config))!), Is.EqualTo(name));
        Assert.That(config.DownBlockTypes.IndexOf(UNet2DConfig.AttentionDown), Is.EqualTo(attention));
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        config.Create().Declare(parameters);
        Assert.That(parameters.Count, Is.EqualTo(size == 32 ? 35_746_307 : 113_673_219), "as the models' pages say: 35.7 and 114 million");
    }

    [TestCase("ddpm")]
    [TestCase("classes")]
    public void Its_gradient_is_what_the_prediction_changes_by(string name)
    {
        using var recorded = new DiffusersCase(name);
        using var model = DiffusionModel.Load(recorded.Folder, new CpuKernels(1));
        float[] before = recorded.Predict(model), cotangent = [.. before.Select((_, i) => MathF.Sin(i))];
        float[] gradient = recorded.Gradient(model, cotangent);
        var weights = model.Parameters.Values.Span;
        float[] saved = weights.ToArray();
        const float step = 1e-3f;
        for (int i = 0; i < saved.Length; i++) weights[i] = saved[i] + step * MathF.Cos(i * i);
        model.Parameters.MarkChanged();
        float[] above = recorded.Predict(model);
        for (int i = 0; i < saved.Length; i++) weights[i] = saved[i] - step * MathF.Cos(i * i);
        model.Parameters.MarkChanged();
        float[] below = recorded.Predict(model);
        double found = above.Zip(below, (a, b) => (double)a - b).Zip(cotangent, (d, c) => d * c).Sum() / (2 * step);
        double expected = gradient.Select((g, i) => (double)g * MathF.Cos(i * i)).Sum();
        Assert.That(found, Is.EqualTo(expected).Within(0.01 * Math.Abs(expected) + 1e-3));
        Assert.That(Math.Abs(expected), Is.GreaterThan(0.1));
    }

    private static float[] Sample(DiffusionModel model, SamplerSettings settings, float[] noise, int label, double scale)
    {
        using var sampler = new GuidedSampler(model, settings);
        float[] result = new float[noise.Length];
        sampler.Sample([new SampleRequest(label, new GuidanceScale(scale), 0) { Start = SampleStart.Noise(noise) }], (_, values) => values.CopyTo(result));
        return result;
    }

    private static void AssertClose(float[] got, float[] expected, double tolerance)
    {
        double scale = expected.Max(Math.Abs);
        Assert.That(got, Has.Length.EqualTo(expected.Length));
        Assert.That(got.Zip(expected, (a, b) => Math.Abs((double)a - b)).Max() / scale, Is.LessThan(tolerance));
    }
}
