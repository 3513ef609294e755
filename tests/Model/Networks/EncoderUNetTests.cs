using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Networks;

[TestFixture]
public sealed class EncoderUNetTests
{
    private static readonly EncoderUNetConfig Tiny = new()
    {
        ImageSize = 8,
        InChannels = 1,
        ModelChannels = 32,
        OutChannels = 3,
        NumResBlocks = 1,
        ChannelMult = [1, 2],
        AttentionResolutions = [2],
        NumHeadChannels = 16,
        UseScaleShiftNorm = true,
        ResblockUpdown = true,
    };

    /// <summary>The published checkpoints: tensors and parameters.</summary>
    private static IEnumerable<TestCaseData> Published =>
    [
        new TestCaseData(EncoderUNetConfig.Cls64, 307, 65_438_568).SetArgDisplayNames("64"),
        new TestCaseData(EncoderUNetConfig.Cls128, 221, 42_568_040).SetArgDisplayNames("128"),
        new TestCaseData(EncoderUNetConfig.Cls256, 249, 54_096_360).SetArgDisplayNames("256"),
        new TestCaseData(EncoderUNetConfig.Cls512, 281, 54_448_360).SetArgDisplayNames("512"),
    ];

    [TestCaseSource(nameof(Published))]
    public void Published_classifiers_have_their_tensors_and_parameters(EncoderUNetConfig config, int tensors, int count)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new EncoderUNet(config).Declare(parameters);
        Assert.That(parameters.Items, Has.Count.EqualTo(tensors));
        Assert.That(parameters.Count, Is.EqualTo(count));
        Assert.That(EncoderUNetConfig.Infer(PublishedShapes.Of(parameters)), Is.SameAs(config), "known by its extents");
        Assert.That(UNetConfig.Infer(PublishedShapes.Of(parameters)), Is.Null);
    }

    [Test]
    public void A_configuration_is_read_off_the_extents([Values] ClassifierPool pool)
    {
        var config = Tiny with { ImageSize = 16, Pool = pool, NumHeadChannels = 64 };
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new EncoderUNet(config).Declare(parameters);
        Assert.That(PublishedShapes.Text(EncoderUNetConfig.Infer(PublishedShapes.Of(parameters))), Is.EqualTo(PublishedShapes.Text(config)));
    }

    [Test]
    public void Every_head_learns_the_class_of_noisy_images([Values] ClassifierPool pool)
    {
        const int Batch = 6;
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = new EncoderUNet(Tiny with { Pool = pool });
        network.Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 3);
        var b = new PlanBuilder(kernels, parameters) { Training = true };
        var x = b.Input("x", new Shape(Batch, 8, 8, 1));
        var t = b.Input("t", new Shape(Batch));
        var y = b.Input("y", new Shape(Batch));
        var loss = b.Output("loss", b.CrossEntropyLoss(network.Record(b, x, t), y));
        b.Backward(loss, b.Constant("one", [1]), parameters: true);
        var step = new Slot<AdamWStep>();
        b.AdamW(step);
        using var plan = b.Build();
        int[] labels = [0, 1, 2, 0, 1, 2];
        float[] pixels = new float[Batch * 64];
        Philox.Fill(pixels, 1, 0, 0, RandomStream.StepNoise, 0.3);
        for (int i = 0; i < pixels.Length; i++) pixels[i] += labels[i / 64] - 1;
        kernels.Upload(pixels, x.View);
        kernels.Upload([0f, 100, 200, 300, 400, 500], t.View);
        kernels.Upload(labels, y.View);
        var losses = new List<float>();
        for (int i = 1; i <= 12; i++)
        {
            step.Value = new AdamWStep { LearningRate = 3e-3, Step = i };
            plan.Run();
            losses.Add(loss.View.Span[0]);
        }
        Assert.That(losses[^1], Is.LessThan(0.5 * losses[0]), string.Join(", ", losses));
    }

    [Test]
    public void Attention_needs_the_width_of_a_head() =>
        Assert.That(() => new EncoderUNet(Tiny with { Pool = ClassifierPool.Attention, NumHeadChannels = null }), Throws.ArgumentException.With.Message.Contains("num_head_channels"));
}
