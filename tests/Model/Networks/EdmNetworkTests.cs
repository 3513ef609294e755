using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Networks;

[TestFixture]
public sealed class EdmNetworkTests
{
    /// <summary>Published networks: tensors and parameters.</summary>
    private static IEnumerable<TestCaseData> Published =>
    [
        new TestCaseData(DhariwalUNetConfig.ImageNet64, null, 295_899_267).SetArgDisplayNames("ADM for ImageNet at 64"),
        new TestCaseData(SongUNetConfig.DdpmPlusPlus, 419, 55_735_299).SetArgDisplayNames("DDPM++ for CIFAR-10"),
        // The frequencies are not counted there, for they are not trained.
        new TestCaseData(SongUNetConfig.NcsnPlusPlus, 423 + 1, 56_400_643 + 128).SetArgDisplayNames("NCSN++ for CIFAR-10"),
    ];

    private static IEnumerable<EdmConfig> Tiny
    {
        get
        {
            var dhariwal = new DhariwalUNetConfig { ImgResolution = 16, ModelChannels = 32, ChannelMult = [1, 2], NumBlocks = 1, AttnResolutions = [8], LabelDim = 3 };
            yield return dhariwal;
            yield return dhariwal with { ImgChannels = 1, OutChannels = 2, LabelDim = 0, AugmentDim = 9, ChannelMult = [1, 2, 2], AttnResolutions = [8, 4], ChannelMultEmb = 2 };
            var song = new SongUNetConfig { ImgResolution = 16, ModelChannels = 16, ChannelMult = [1, 2], NumBlocks = 2, AttnResolutions = [8], LabelDim = 3, AugmentDim = 9 };
            yield return song;
            yield return song with { EncoderType = SongPath.Residual, EmbeddingType = SongEmbedding.Fourier, ChannelMultNoise = 2, LabelDim = 0, AugmentDim = 0 };
            yield return song with { EncoderType = SongPath.Skip, DecoderType = SongPath.Skip, AttnResolutions = [16] };
        }
    }

    [TestCaseSource(nameof(Published))]
    public void Published_networks_have_their_tensors_and_parameters(EdmConfig config, int? tensors, int count)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        config.CreateNetwork().Declare(parameters);
        if (tensors is not null) Assert.That(parameters.Items, Has.Count.EqualTo(tensors));
        Assert.That(parameters.Count, Is.EqualTo(count));
    }

    [TestCaseSource(nameof(Tiny))]
    public void A_configuration_is_read_off_the_extents(EdmConfig config)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        config.CreateNetwork().Declare(parameters);
        var shapes = PublishedShapes.Of(parameters);
        EdmConfig? dhariwal = DhariwalUNetConfig.Infer(shapes), song = SongUNetConfig.Infer(shapes);
        Assert.That(dhariwal is null, Is.EqualTo(song is not null));
        Assert.That(PublishedShapes.Text(dhariwal ?? song), Is.EqualTo(PublishedShapes.Text(config)));
        Assert.That(UNetConfig.Infer(shapes), Is.Null);
    }

    [Test]
    public void The_filter_is_read_off_its_buffer()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        SongUNetConfig.NcsnPlusPlus.CreateNetwork().Declare(parameters);
        var shapes = PublishedShapes.Of(parameters);
        Assert.That(SongUNetConfig.Infer(shapes)!.ResampleFilter, Is.EqualTo(new[] { 1.0, 1 }));
        shapes["enc.16x16_down.conv0.resample_filter"] = [1, 1, 4, 4];
        Assert.That(SongUNetConfig.Infer(shapes)!.ResampleFilter, Is.EqualTo(new[] { 1.0, 3, 3, 1 }));
        Assert.That(EdmConfig.IsBuffer("enc.16x16_down.conv0.resample_filter") && EdmConfig.IsBuffer("u"), Is.True);
        Assert.That(EdmConfig.IsBuffer("map_noise.freqs") || EdmConfig.IsBuffer("enc.16x16_down.conv0.weight"), Is.False);
    }

    [TestCaseSource(nameof(Tiny))]
    public void A_configuration_survives_its_text(EdmConfig config)
    {
        string text = PublishedShapes.Text(config);
        Assert.That(PublishedShapes.Text(ModelJson.Read(text, config.GetType())), Is.EqualTo(text));
    }

    [Test]
    public void A_new_network_of_adms_kind_predicts_zero()
    {
        var config = Tiny.First();
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(config, new DiffusionSettings { Schedule = NoiseScheduleKind.Edm, ClassNames = ["a", "b", "c"], NullClass = false }, kernels);
        var b = new PlanBuilder(kernels, model.Parameters);
        var x = b.Input("x", new Shape(1, 16, 16, 3));
        var y = b.Output("y", model.Network.Record(b, x, b.Constant("noise", [0.5f]), b.Constant("label", [0])));
        using var plan = b.Build();
        float[] pixels = new float[x.Count];
        Array.Fill(pixels, 0.3f);
        kernels.Upload(pixels, x.View);
        plan.Run();
        Assert.That(y.View.Span.ToArray(), Has.All.Zero);
    }

    // What training changes leaves the frequencies of the embedding alone.
    [Test]
    public void Fourier_frequencies_are_not_trained()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        SongUNetConfig.NcsnPlusPlus.CreateNetwork().Declare(parameters);
        Assert.That(parameters.Items.Where(p => p.Initializer.Distribution == InitialDistribution.Table).Select(p => p.Name), Is.EqualTo(new[] { "map_noise.freqs" }));
        double[] frequencies = [.. Enumerable.Range(0, 128).Select(i => parameters.Items[0].Initializer.Element!(i))];
        Assert.That(Math.Sqrt(frequencies.Average(f => f * f)), Is.EqualTo(16).Within(3));
    }

    [Test]
    public void A_label_is_its_vector_and_the_null_class_zeros()
    {
        var config = (DhariwalUNetConfig)Tiny.First() with { LabelDropout = 0.1 };
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = config.CreateNetwork();
        network.Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 1);
        TinyModel.FillRandom(parameters, kernels);
        float[] Run(Func<PlanBuilder, Tensor, Tensor, Tensor> record)
        {
            var b = new PlanBuilder(kernels, parameters);
            var x = b.Input("x", new Shape(2, 16, 16, 3));
            var noise = b.Input("noise", new Shape(2));
            var y = b.Output("y", record(b, x, noise));
            using var plan = b.Build();
            float[] pixels = new float[x.Count];
            Philox.Fill(pixels, 1, 0, 0, RandomStream.StepNoise);
            kernels.Upload(pixels, x.View);
            kernels.Upload([0.1f, -0.3f], noise.View);
            plan.Run();
            return y.View.Span.ToArray();
        }
        float[] labels = Run((b, x, noise) => network.Record(b, x, noise, b.Constant("labels", [BitConverter.Int32BitsToSingle(2), BitConverter.Int32BitsToSingle(3)])));
        float[] vectors = Run((b, x, noise) => network.RecordVectors(b, x, noise, b.Reshape(b.Constant("vectors", [0, 0, 1, 0, 0, 0]), new Shape(2, 3))));
        Assert.That(labels, Is.EqualTo(vectors));
        Assert.That(((INetworkConfig)config).NumClasses, Is.EqualTo(4));
        Assert.That(((INetworkConfig)(config with { LabelDropout = 0 })).NumClasses, Is.EqualTo(3));
    }
}
