using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Model.Guiders;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

/// <summary>Networks, guiders and objects used as nobody meant them to be: an answer, or an exception that says what was wrong.</summary>
[TestFixture]
public sealed class ForeignUseTests
{
    private CpuKernels _kernels = null!;

    [SetUp]
    public void Start() => _kernels = new CpuKernels(1);

    [TearDown]
    public void End() => _kernels.Dispose();

    [Test]
    public void A_network_of_exact_scores_is_saved_loaded_and_sampled_with_guidance()
    {
        string path = Path.GetTempFileName();
        try
        {
            using var model = GaussianWorld.Model(_kernels);
            model.Save(path);
            using var loaded = DiffusionModel.Load(path, _kernels, network: new GaussianWorld.Config());
            Assert.That(Sample(loaded, Guidance.ClassifierFree()), Is.EqualTo(Sample(model, Guidance.ClassifierFree())));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void A_network_without_parameters_says_so() => Assert.That(
        () => new DiffusionModel(new BareConfig(), GaussianWorld.Settings, _kernels), Throws.ArgumentException.With.Message.Contains("no parameters").And.Message.Contains("Declare"));

    // Its own calls have no gradient, so nothing of it could learn.
    [Test]
    public void A_network_that_cannot_be_differentiated_is_refused_by_the_trainer_that_is_asked_for_it()
    {
        using var model = GaussianWorld.Model(_kernels);
        var data = new NativeDiffusion.Model.Data.ImageDataset(2, 2, 1, new byte[4 * 4], new[] { 0, 1, 2, 0 }, ["a", "b", "c"]);
        Assert.That(() =>
        {
            using var trainer = new Trainer(model, data, new TrainingSettings { BatchSize = 2, Steps = 1 });
            trainer.Run();
        }, Throws.InvalidOperationException.Or.InstanceOf<ArgumentException>());
    }

    [Test]
    public void A_gradient_through_a_denoiser_of_ones_own_calls_is_refused_and_not_zero()
    {
        using var model = GaussianWorld.Model(_kernels);
        var guidance = new Guidance { Branches = [], Gradients = [new Towards(GradientPoint.ThroughDenoiser)] };
        Assert.That(() => Sample(model, guidance), Throws.InvalidOperationException.With.Message.Contains("ExactNoise"));
        Assert.That(() => Sample(model, new Guidance { Branches = [], Gradients = [new Towards(GradientPoint.Denoised)] }), Throws.Nothing);
    }

    [Test]
    public void Objects_say_that_they_or_what_they_use_were_disposed()
    {
        var model = GaussianWorld.Model(_kernels);
        using var classifier = new GaussianWorld.Classifier(_kernels, takesNoise: true);
        var guidance = new Guidance { Branches = [], Gradients = [new ClassifierGuider(classifier, 1)] };
        var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 2 }, new GuidedSamplerOptions { Guidance = guidance });
        var other = new GuidedSampler(model, new SamplerSettings { Steps = 2 });
        sampler.Dispose();
        Assert.That(() => sampler.Sample([new(0, new GuidanceScale(1), 0)]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(sampler.Dispose, Throws.Nothing);
        model.Dispose();
        Assert.That(() => other.Sample([new(0, new GuidanceScale(1), 0)]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => new GuidedSampler(model, new SamplerSettings { Steps = 2 }), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => model.Save(Path.GetTempFileName()), Throws.TypeOf<ObjectDisposedException>());
        other.Dispose();
    }

    [Test]
    public void Requests_that_mean_nothing_are_refused()
    {
        using var model = GaussianWorld.Model(_kernels);
        using var classifier = new GaussianWorld.Classifier(_kernels, takesNoise: true);
        var guidance = new Guidance { Branches = [], Gradients = [new ClassifierGuider(classifier, 1)] };
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 2 }, new GuidedSamplerOptions { Guidance = guidance });
        SampleRequest good = new(0, new GuidanceScale(1), 0);
        foreach (var wrong in new[]
        {
            good with { Label = 3 }, good with { Label = -2 }, good with { Target = 3 }, good with { Target = -7 }, good with { Scale = new GuidanceScale(double.NaN) },
            good with { Start = SampleStart.Noise(new float[3]) }, good with { Start = SampleStart.Picture(new float[] { 0, 0, float.NaN, 0 }) },
        })
            Assert.That(() => sampler.Sample([good, wrong]), Throws.ArgumentException, $"{wrong}");
        Assert.That(sampler.Sample([]), Is.Empty);
        Assert.That(sampler.Sample([good with { Index = int.MaxValue }]), Has.Length.EqualTo(1));
    }

    private static float[] Sample(DiffusionModel model, Guidance guidance)
    {
        float[] image = [];
        using var sampler = new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 3 }, new GuidedSamplerOptions { Guidance = guidance });
        sampler.Sample([new(1, new GuidanceScale(2), 0)], (_, pixels) => image = pixels.ToArray());
        return image;
    }

    public sealed record BareConfig : INetworkConfig
    {
        [System.Text.Json.Serialization.JsonIgnore]
        public int ImageSize => 2;

        [System.Text.Json.Serialization.JsonIgnore]
        public int InChannels => 1;

        [System.Text.Json.Serialization.JsonIgnore]
        public int OutChannels => 1;

        [System.Text.Json.Serialization.JsonIgnore]
        public int? NumClasses => 4;

        public IDiffusionNetwork Create() => new Bare(this);
    }

    private sealed class Bare(BareConfig config) : IDiffusionNetwork
    {
        public INetworkConfig Config => config;

        public void Declare(Parameters parameters) { }

        public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null) => x;
    }

    private sealed class Towards(GradientPoint point) : GradientGuider
    {
        public override string Name => "towards";

        public override GradientPoint Point => point;

        public override GradientTarget Target => GradientTarget.Score;

        public override double Weight(SampleRequest request) => 0.1;

        public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => new(inputs.Image, b.Reshape(b.Constant("c", new float[inputs.Image.Count]), inputs.Image.Shape));
    }
}
