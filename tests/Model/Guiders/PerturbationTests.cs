using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>Perturbed rows of every kind of network; the values are those of the attention's cases and of the reference case.</summary>
[TestFixture]
public sealed class PerturbationTests
{
    private const int Size = 8;

    /// <summary>Network, its blocks, and the default one.</summary>
    private static IEnumerable<TestCaseData> Networks
    {
        get
        {
            var dhariwal = new DhariwalUNetConfig { ImgResolution = Size, ImgChannels = 1, OutChannels = 1, ModelChannels = 64, ChannelMult = [1, 1], NumBlocks = 1, AttnResolutions = [4], LabelDim = 3 };
            var song = new SongUNetConfig { ImgResolution = Size, ImgChannels = 1, OutChannels = 1, ModelChannels = 16, ChannelMult = [1, 1], NumBlocks = 1, AttnResolutions = [4], LabelDim = 3 };
            var dit = new DitConfig { InputSize = Size, PatchSize = 2, InChannels = 1, HiddenSize = 24, Depth = 3, NumHeads = 3, NumClasses = 2, LearnSigma = false };
            yield return new TestCaseData(TinyModel.Network.Create(), 4, 1).SetArgDisplayNames("ADM");
            yield return new TestCaseData((TinyModel.Network with { UseNewAttentionOrder = true }).Create(), 4, 1).SetArgDisplayNames("ADM, new order");
            yield return new TestCaseData(((INetworkConfig)dhariwal).Create(), 4, 1).SetArgDisplayNames("Dhariwal");
            yield return new TestCaseData(((INetworkConfig)song).Create(), 3, 1).SetArgDisplayNames("Song");
            yield return new TestCaseData(((INetworkConfig)dit).Create(), 3, 1).SetArgDisplayNames("DiT");
        }
    }

    [TestCaseSource(nameof(Networks))]
    public void Rows_before_the_first_keep_their_bits_and_the_others_change(IPerturbableNetwork network, int blocks, int middle)
    {
        Assert.That(network.PerturbableBlocks, Is.EqualTo(blocks));
        using var kernels = new CpuKernels(2);
        using var parameters = Random(network, kernels);
        float[] plain = Predict(network, kernels, parameters, null);
        int row = plain.Length / 3;
        foreach (var kind in Enum.GetValues<PerturbationKind>())
        {
            if (network is not Dit && kind is PerturbationKind.SkippedAttention or PerturbationKind.SkippedFeedForward) continue;
            float[] all = Predict(network, kernels, parameters, new Perturbation(kind, 0)), some = Predict(network, kernels, parameters, new Perturbation(kind, 2));
            Assert.That(some[..(2 * row)], Is.EqualTo(plain[..(2 * row)]), $"{kind}: rows before the first");
            Assert.That(some[(2 * row)..], Is.EqualTo(all[(2 * row)..]), $"{kind}: the row alone or among others");
            double change = Enumerable.Range(2 * row, row).Max(i => Math.Abs((double)some[i] - plain[i]));
            Assert.That(change, Is.GreaterThan(1e-4 * plain.Max(MathF.Abs)), $"{kind} changes the prediction");
            Assert.That(Predict(network, kernels, parameters, new Perturbation(kind, 2) { Blocks = [middle] }), Is.EqualTo(some), $"{kind}: the default block");
            Assert.That(Predict(network, kernels, parameters, new Perturbation(kind, 2) { Blocks = [.. Enumerable.Range(0, blocks)] }), Is.Not.EqualTo(some), $"{kind}: all blocks");
        }
    }

    /// <summary>The perturbation as a network without it: output projections that ignore attention are skipped blocks.</summary>
    [Test]
    public void A_skipped_attention_of_a_unet_is_one_whose_projection_gives_zero()
    {
        using var kernels = new CpuKernels(1);
        var network = (IPerturbableNetwork)TinyModel.Network.Create();
        using var parameters = Random(network, kernels);
        float[] skipped = Predict(network, kernels, parameters, new Perturbation(PerturbationKind.SkippedBlock, 0));
        foreach (string name in new[] { "middle_block.1.proj_out.weight", "middle_block.1.proj_out.bias" }) parameters.ValueOf(parameters[name]).Span.Clear();
        parameters.MarkChanged();
        Assert.That(skipped, Is.EqualTo(Predict(network, kernels, parameters, null)));
    }

    [Test]
    public void Gradients_reach_the_images_through_perturbed_rows()
    {
        using var kernels = new CpuKernels(2);
        var network = (IPerturbableNetwork)TinyModel.Network.Create();
        using var parameters = Random(network, kernels);
        float[] Gradient(int first)
        {
            var b = new PlanBuilder(kernels, parameters);
            var (x, t, y) = Inputs(b);
            var output = network.Record(b, x, t, y, new Perturbation(PerturbationKind.IdentityAttention, first));
            var cotangent = b.Input("cotangent", output.Shape);
            b.Backward(output, cotangent, parameters: false, x);
            var dx = b.Output("dx", b.GradientOf(x));
            using var plan = b.Build();
            Upload(kernels, x, t, y);
            kernels.Upload([.. Enumerable.Range(0, (int)output.Count).Select(i => (float)Philox.Normal(9, 0, 0, RandomStream.Weights, (uint)i))], cotangent.View);
            plan.Run();
            return dx.View.Span.ToArray();
        }
        float[] all = Gradient(0), last = Gradient(2);
        int row = all.Length / 3;
        for (int i = 2 * row; i < all.Length; i++) Assert.That(last[i], Is.EqualTo(all[i]).Within(1e-5 * all.Max(MathF.Abs)));
        Assert.That(last[..row], Is.Not.EqualTo(all[..row]));
    }

    [Test]
    public void What_cannot_be_perturbed_is_refused_with_the_reason()
    {
        using var kernels = new CpuKernels(1);
        var network = (IPerturbableNetwork)TinyModel.Network.Create();
        using var parameters = Random(network, kernels);
        void Refused(Perturbation perturbation, string reason) =>
            Assert.That(() => Predict(network, kernels, parameters, perturbation), Throws.ArgumentException.With.Message.Contains(reason));
        Refused(new(PerturbationKind.SkippedAttention, 0), "SkippedBlock");
        Refused(new(PerturbationKind.SkippedFeedForward, 0), "transformers");
        Refused(new(PerturbationKind.IdentityAttention, 3), "rows 0 to 2");
        Refused(new(PerturbationKind.IdentityAttention, -1), "-1");
        Refused(new(PerturbationKind.IdentityAttention, 0) { Blocks = [0, 4] }, "Block 4");
        Refused(new(PerturbationKind.IdentityAttention, 0) { Blocks = [] }, "No block");
        Refused(new(PerturbationKind.BlurredQueries, 0) { Sigma = 0 }, "above 0");
        Refused(new(PerturbationKind.BlurredQueries, 0) { Sigma = double.NaN }, "NaN");
        Refused(new((PerturbationKind)9, 0), "9");
    }

    private static Parameters Random(IDiffusionNetwork network, CpuKernels kernels)
    {
        var parameters = new Parameters(kernels);
        network.Declare(parameters);
        var values = parameters.Values.Span;
        for (int i = 0; i < values.Length; i++) values[i] = (float)(0.2 * Philox.Normal(7, 0, 0, RandomStream.Weights, (uint)i));
        // Without the factors of normalisations around 1, attention is all but even, and blurring its queries changes little.
        foreach (var parameter in parameters.Items.Where(p => p.Shape.Rank == 1 && p.Name.EndsWith(".weight", StringComparison.Ordinal)))
            foreach (ref float value in parameters.ValueOf(parameter).Span) value += 1;
        return parameters;
    }

    private static float[] Predict(IPerturbableNetwork network, CpuKernels kernels, Parameters parameters, Perturbation? perturbation)
    {
        var b = new PlanBuilder(kernels, parameters);
        var (x, t, y) = Inputs(b);
        var output = b.Output("out", network.Record(b, x, t, y, perturbation));
        using var plan = b.Build();
        Upload(kernels, x, t, y);
        plan.Run();
        return output.View.Span.ToArray();
    }

    private static (Tensor X, Tensor T, Tensor Y) Inputs(PlanBuilder b) => (b.Input("x", new Shape(3, Size, Size, 1)), b.Input("t", new Shape(3)), b.Input("y", new Shape(3)));

    private static void Upload(CpuKernels kernels, Tensor x, Tensor t, Tensor y)
    {
        kernels.Upload([.. Enumerable.Range(0, (int)x.Count).Select(i => (float)Philox.Normal(3, 0, 0, RandomStream.Weights, (uint)i))], x.View);
        kernels.Upload([0.5f, 0.2f, 0.8f], t.View);
        kernels.Upload([0, 1, 1], y.View);
    }
}
