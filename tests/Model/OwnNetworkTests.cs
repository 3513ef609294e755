using System.Text.Json.Serialization;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

/// <summary>A network that is none of the library's, made from public members alone: trained, saved, loaded, gone on with.</summary>
internal sealed class OwnNetworkTests
{
    private static readonly TrainingSettings Short = new() { BatchSize = 4, Steps = 6, WarmupSteps = 1, Seed = 2 };

    private readonly TwoLayersConfig _config = new() { Width = 12 };
    private string _path = "";

    [SetUp]
    public void NamePath() => _path = Path.GetTempFileName();

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    public void It_is_saved_and_loaded_by_a_caller_who_has_it()
    {
        using var kernels = new CpuKernels(1);
        using var model = new DiffusionModel(_config, TinyModel.Settings, kernels, seed: 1);
        using var trainer = new Trainer(model, TinyModel.Data(), Short);
        trainer.Run();
        model.Save(_path);
        using (var loaded = DiffusionModel.Load(_path, kernels, network: new TwoLayersConfig { Width = 12 })) Assert.That(Sample(loaded), Is.EqualTo(Sample(model)));

        trainer.SaveModel(_path);
        model.Parameters.CopyValuesFrom(trainer.Average);
        using (var averaged = DiffusionModel.Load(_path, kernels, network: _config)) Assert.That(Sample(averaged), Is.EqualTo(Sample(model)));
    }

    [Test]
    public void Its_training_goes_on_to_the_same_bits()
    {
        using var kernels = new CpuKernels(1);
        using var whole = new DiffusionModel(_config, TinyModel.Settings, kernels, seed: 1);
        using var uninterrupted = new Trainer(whole, TinyModel.Data(), Short);
        for (int i = 0; i < 3; i++) uninterrupted.RunStep();
        uninterrupted.Save(_path);
        uninterrupted.Run();
        using var resumed = Trainer.Resume(_path, TinyModel.Data(), kernels, _config);
        using var model = resumed.Model;
        resumed.Run();
        Assert.That(model.Parameters.Values.Span.ToArray(), Is.EqualTo(whole.Parameters.Values.Span.ToArray()));
    }

    [Test]
    public void Without_it_or_with_another_a_file_says_what_it_holds()
    {
        using var kernels = new CpuKernels(1);
        using (var model = new DiffusionModel(_config, TinyModel.Settings, kernels)) model.Save(_path);
        Assert.That(() => DiffusionModel.Load(_path, kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains(nameof(TwoLayersConfig)).And.Message.Contains("with the network given"));
        Assert.That(() => DiffusionModel.Load(_path, kernels, network: new TwoLayersConfig { Width = 16 }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("\"width\":12").And.Message.Contains("\"width\":16"));
        Assert.That(() => DiffusionModel.Load(_path, kernels, network: TinyModel.Network), Throws.TypeOf<CheckpointException>().With.Message.Contains("UNetConfig"));

        using (var model = TinyModel.Create(kernels)) model.Save(_path);
        Assert.That(() => DiffusionModel.Load(_path, kernels, network: _config), Throws.TypeOf<CheckpointException>().With.Message.Contains("adm_unet"));
        using var known = DiffusionModel.Load(_path, kernels, network: TinyModel.Network);
        Assert.That(known.Network.Config.ImageSize, Is.EqualTo(TinyModel.Size));
    }

    [Test]
    public void One_that_could_not_be_saved_is_refused_before_it_is_trained()
    {
        using var kernels = new CpuKernels(1);
        Assert.That(() => new DiffusionModel(new UnsavableConfig(), TinyModel.Settings, kernels), Throws.ArgumentException.With.Message.Contains("[JsonIgnore]"));
        Assert.That(() => new DiffusionModel(new OtherSizeConfig(), TinyModel.Settings, kernels), Throws.ArgumentException.With.Message.Contains("another size"));
    }

    private static float[] Sample(DiffusionModel model)
    {
        float[] image = [];
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 3 });
        sampler.Sample([new SampleRequest(1, new GuidanceScale(2), 0)], (_, pixels) => image = pixels.ToArray());
        return image;
    }

    /// <summary>Two convolutions, with time and label added between them.</summary>
    public record TwoLayersConfig : INetworkConfig
    {
        public int Width { get; init; }

        [JsonIgnore]
        public int ImageSize => TinyModel.Size;

        [JsonIgnore]
        public int InChannels => 1;

        [JsonIgnore]
        public int OutChannels => 1;

        [JsonIgnore]
        public int? NumClasses => TinyModel.Classes + 1;

        public virtual IDiffusionNetwork Create() => new TwoLayers(this);
    }

    public sealed record UnsavableConfig : TwoLayersConfig
    {
        public Func<float, float> Activation { get; init; } = MathF.Tanh;
    }

    public sealed record OtherSizeConfig : TwoLayersConfig
    {
        public override IDiffusionNetwork Create() => TinyModel.Network with { ImageSize = 16 } is INetworkConfig other ? other.Create() : throw new InvalidOperationException();
    }

    private sealed class TwoLayers(TwoLayersConfig config) : IDiffusionNetwork
    {
        public INetworkConfig Config => config;

        public void Declare(Parameters parameters)
        {
            int width = config.Width;
            parameters.Add("first.weight", new Shape(width, 3, 3, 1), Initializer.FanIn(9));
            parameters.Add("time.weight", new Shape(width, width), Initializer.FanIn(width));
            parameters.Add("label.weight", new Shape(TinyModel.Classes + 1, width), Initializer.Normal());
            parameters.Add("last.weight", new Shape(1, 3, 3, width), Initializer.FanIn(9 * width));
        }

        public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null)
        {
            var time = b.Linear(b.TimestepEmbedding(timesteps, config.Width), b.Parameter("time.weight"));
            var embedding = b.Add(time, b.EmbeddingLookup(labels!, b.Parameter("label.weight")));
            var hidden = b.Silu(b.Conv2d(x, b.Parameter("first.weight"), options: new Conv2dOptions { Embedding = embedding }));
            return b.Conv2d(hidden, b.Parameter("last.weight"));
        }
    }
}
