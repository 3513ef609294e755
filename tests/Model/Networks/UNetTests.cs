using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Networks;

[TestFixture]
public sealed class UNetTests
{
    /// <summary>The published checkpoints: tensors and parameters.</summary>
    private static IEnumerable<TestCaseData> Published =>
    [
        new TestCaseData(UNetConfig.Adm64, 541, 295_904_454).SetArgDisplayNames("ADM-64"),
        new TestCaseData(UNetConfig.Adm128, 493, 421_529_606).SetArgDisplayNames("ADM-128"),
        new TestCaseData(UNetConfig.Adm256, 567, 553_838_086).SetArgDisplayNames("ADM-256"),
        new TestCaseData(UNetConfig.Adm256Uncond, 566, 552_814_086).SetArgDisplayNames("ADM-256 unconditional"),
        new TestCaseData(UNetConfig.Adm512, 645, 558_997_638).SetArgDisplayNames("ADM-512"),
    ];

    [TestCaseSource(nameof(Published))]
    public void Published_networks_have_their_tensors_and_parameters(UNetConfig config, int tensors, int count)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new UNet(config).Declare(parameters);
        Assert.That(parameters.Items, Has.Count.EqualTo(tensors));
        Assert.That(parameters.Count, Is.EqualTo(count));
        Assert.That(UNetConfig.Infer(PublishedShapes.Of(parameters)), Is.SameAs(config), "known by its extents");
    }

    // Every way of resampling, levels with and without attention, narrow widths, no labels.
    [Test]
    public void A_configuration_is_read_off_the_extents(
        [Values] bool updown, [Values] bool convolutions, [Values(1, 2)] int blocks, [Values(1, 3)] int levels)
    {
        var config = TinyModel.Network with
        {
            ImageSize = 16, ModelChannels = 32, NormGroups = 32, NumHeads = 1, NumResBlocks = blocks, ResblockUpdown = updown, ConvResample = convolutions || updown || levels == 1,
            ChannelMult = levels == 1 ? [2] : [1, 1, 2], AttentionResolutions = levels == 1 ? [] : [2], UseScaleShiftNorm = updown, NumClasses = convolutions ? null : 3,
        };
        var expected = config with { ResblockUpdown = updown && levels > 1, ImageSize = levels == 1 ? 8 : 16, NumHeads = 4 };
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new UNet(config).Declare(parameters);
        Assert.That(PublishedShapes.Text(UNetConfig.Infer(PublishedShapes.Of(parameters))), Is.EqualTo(PublishedShapes.Text(expected)));
    }

    [Test]
    public void A_new_network_predicts_zero()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        Assert.That(Predict(kernels, model.Network, model.Parameters, seed: 1), Has.All.Zero);
    }

    [Test]
    public void Attention_orders_agree_after_permuting_the_rows_of_qkv()
    {
        using var kernels = new CpuKernels(1);
        using var legacy = TinyModel.CreateRandom(kernels);
        using var split = TinyModel.CreateRandom(kernels, TinyModel.Network with { UseNewAttentionOrder = true });
        int heads = TinyModel.Network.NumHeads;
        foreach (var parameter in legacy.Parameters.Items.Where(p => p.Name.Contains(".qkv.", StringComparison.Ordinal)))
        {
            var from = legacy.Parameters.ValueOf(parameter);
            var to = split.Parameters.ValueOf(split.Parameters[parameter.Name]);
            int width = parameter.Shape[0] / 3, headDim = width / heads, row = (int)(parameter.Shape.Count / parameter.Shape[0]);
            for (int head = 0; head < heads; head++)
                for (int part = 0; part < 3; part++)
                    for (int i = 0; i < headDim; i++)
                        from.Span.Slice(((head * 3 + part) * headDim + i) * row, row).CopyTo(to.Span[((part * width + head * headDim + i) * row)..]);
        }
        split.Parameters.MarkChanged();
        float[] a = Predict(kernels, legacy.Network, legacy.Parameters, seed: 2), b = Predict(kernels, split.Network, split.Parameters, seed: 2);
        for (int i = 0; i < a.Length; i++) Assert.That(b[i], Is.EqualTo(a[i]).Within(1e-6));
    }

    [Test]
    public void Impossible_configurations_are_refused_with_their_values()
    {
        Assert.That(() => new UNet(TinyModel.Network with { ModelChannels = 10 }), Throws.ArgumentException.With.Message.Contains("10"));
        Assert.That(() => new UNet(TinyModel.Network with { ImageSize = 9 }), Throws.ArgumentException.With.Message.Contains("9"));
        Assert.That(() => new UNet(TinyModel.Network with { NumHeads = 3 }), Throws.ArgumentException.With.Message.Contains("3 heads"));
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        var b = new PlanBuilder(kernels, model.Parameters);
        Assert.That(() => model.Network.Record(b, b.Input("x", new Shape(1, 8, 8, 1)), b.Input("t", new Shape(1)), null),
            Throws.ArgumentException.With.Message.Contains("labels"));
        Assert.That(() => model.Network.Record(b, b.Input("x2", new Shape(1, 8, 4, 1)), b.Input("t2", new Shape(1)), b.Input("y2", new Shape(1))),
            Throws.ArgumentException.With.Message.Contains("x2"));
    }

    private static float[] Predict(CpuKernels kernels, IDiffusionNetwork network, Parameters parameters, ulong seed)
    {
        var b = new PlanBuilder(kernels, parameters);
        var x = b.Input("x", new Shape(2, 8, 8, 1));
        var t = b.Input("t", new Shape(2));
        var y = b.Input("y", new Shape(2));
        var output = b.Output("out", network.Record(b, x, t, y));
        using var plan = b.Build();
        Philox.Fill(x.View.Span, seed, 0, 0, RandomStream.InitialNoise);
        kernels.Upload([3f, 700f], t.View);
        kernels.Upload([0, 2], y.View);
        plan.Run();
        return output.View.Span.ToArray();
    }
}
