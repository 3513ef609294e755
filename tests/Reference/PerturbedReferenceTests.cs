using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Perturbed predictions of the diffusion transformer: identity attention, skipped parts, blurred queries.</summary>
[TestFixture]
[Category("Reference")]
public sealed class PerturbedReferenceTests
{
    private static IEnumerable<TestCaseData> Variants =>
        from reference in ReferenceCase.OfKind(ReferenceKinds.Perturbed)
        from variant in reference.Config.GetProperty("variants").EnumerateArray().Select((v, i) => (v, i))
        // What one library does with this method is not the method: its two branches are swapped.
        where variant.v.GetProperty("method").GetString() != "seg_diffusers"
        select new TestCaseData(reference, variant.i, variant.v).SetArgDisplayNames(reference.Name, variant.v.ToString());

    [TestCaseSource(nameof(Variants))]
    public void Perturbed_rows_agree_and_the_rows_above_stay(ReferenceCase reference, int index, JsonElement variant)
    {
        string model = reference.Config.GetProperty("model").GetString()!;
        var weights = ReferenceCase.All.First(c => c.Name == model);
        var config = ModelJson.Read<DitConfig>(weights.Config.GetRawText());
        var perturbation = new Perturbation(variant.GetProperty("method").GetString() switch
        {
            "pag" => PerturbationKind.IdentityAttention,
            "skip_block" => PerturbationKind.SkippedBlock,
            "skip_attention" => PerturbationKind.SkippedAttention,
            "skip_feed_forward" => PerturbationKind.SkippedFeedForward,
            _ => PerturbationKind.BlurredQueries,
        }, 2)
        { Blocks = [.. variant.GetProperty("blocks").EnumerateArray().Select(b => b.GetInt32())] };
        if (variant.TryGetProperty("sigma", out var sigma)) perturbation = perturbation with { Sigma = sigma.GetDouble() };

        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = new Dit(config);
        network.Declare(parameters);
        weights.LoadWeights(parameters, kernels);
        float[] x = ReferenceCase.ToNhwc(reference.Read("in.x"), 2, config.InChannels, config.InputSize, config.InputSize), t = reference.Read("in.t");
        int[] y = [.. reference.Read("in.y").Select(v => (int)v)];
        float[] Predict(Perturbation? perturbation)
        {
            var b = new PlanBuilder(kernels, parameters);
            Tensor images = b.Input("x", new Shape(4, config.InputSize, config.InputSize, config.InChannels)), times = b.Input("t", new Shape(4)), labels = b.Input("y", new Shape(4));
            var output = b.Output("out", network.Record(b, images, times, labels, perturbation));
            using var plan = b.Build();
            kernels.Upload([.. x, .. x], images.View);
            kernels.Upload([.. t, .. t], times.View);
            kernels.Upload([.. y, .. y], labels.View);
            plan.Run();
            return output.View.Span.ToArray();
        }
        float[] plain = Predict(null), perturbed = Predict(perturbation);
        int half = plain.Length / 2;
        float[] Expected(string name) => ReferenceCase.ToNhwc(reference.Read(name), 2, half / 2 / config.InputSize / config.InputSize, config.InputSize, config.InputSize);
        Assert.That(perturbed[..half], Is.EqualTo(plain[..half]), "rows that are not perturbed, bit by bit");
        ReferenceCase.AssertClose(perturbed[..half], Expected("out.plain"), 2e-4, "plain rows");
        ReferenceCase.AssertClose(perturbed[half..], Expected($"out.{index}"), 2e-4, "perturbed rows");
    }
}
