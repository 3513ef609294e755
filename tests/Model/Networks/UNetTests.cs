using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Networks;

[TestFixture]
public sealed class UNetTests
{
    /// <summary>The published checkpoints: tensors and parameters.</summary>
    private static IEnumerable<TestCaseData> Published
    {
        get
        {
            static UNetConfig Adm(int size, int width, double[] mult, int blocks, int? classes, int? heads, bool newOrder = false) => new()
            {
                ImageSize = size,
                InChannels = 3,
                OutChannels = 6,
                ModelChannels = width,
                ChannelMult = [.. mult],
                NumResBlocks = blocks,
                AttentionResolutions = [size / 32, size / 16, size / 8],
                NumClasses = classes,
                NumHeads = heads ?? 1,
                NumHeadChannels = heads is null ? 64 : -1,
                UseScaleShiftNorm = true,
                ResblockUpdown = true,
                UseNewAttentionOrder = newOrder,
            };
            yield return new TestCaseData(Adm(64, 192, [1, 2, 3, 4], 3, 1000, null, true), 541, 295_904_454).SetName("ADM-64");
            yield return new TestCaseData(Adm(128, 256, [1, 1, 2, 3, 4], 2, 1000, 4), 493, 421_529_606).SetName("ADM-128");
            yield return new TestCaseData(Adm(256, 256, [1, 1, 2, 2, 4, 4], 2, 1000, null), 567, 553_838_086).SetName("ADM-256");
            yield return new TestCaseData(Adm(256, 256, [1, 1, 2, 2, 4, 4], 2, null, null), 566, 552_814_086).SetName("ADM-256 unconditional");
            yield return new TestCaseData(Adm(512, 256, [0.5, 1, 1, 2, 2, 4, 4], 2, 1000, null), 645, 558_997_638).SetName("ADM-512");
        }
    }

    [TestCaseSource(nameof(Published))]
    public void Published_networks_have_their_tensors_and_parameters(UNetConfig config, int tensors, int count)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new UNet(config).Declare(parameters);
        Assert.That(parameters.Items, Has.Count.EqualTo(tensors));
        Assert.That(parameters.Count, Is.EqualTo(count));
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
