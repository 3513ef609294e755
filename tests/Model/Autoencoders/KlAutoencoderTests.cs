using System.Text.RegularExpressions;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Autoencoders;

[TestFixture]
public sealed partial class KlAutoencoderTests
{
    private static readonly KlAutoencoderConfig Tiny = new() { Ch = 8, ChMult = [1, 2, 1], NumResBlocks = 1, ZChannels = 3, NormGroups = 4 };

    [Test]
    public void The_published_f8_autoencoder_has_its_parameters([Values] KlAutoencoderKeys keys)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new KlAutoencoder(new KlAutoencoderConfig { Keys = keys }).Declare(parameters);
        long Of(string side) => parameters.Items.Where(p => p.Name.StartsWith(side, StringComparison.Ordinal)).Sum(p => p.Shape.Count);
        Assert.That((parameters.Count, Of("encoder."), Of("decoder."), parameters.Items.Count), Is.EqualTo((83_653_863L, 34_163_592L, 49_490_179L, 248)));
    }

    private static IEnumerable<KlAutoencoderConfig> Configs =>
        from keys in Enum.GetValues<KlAutoencoderKeys>()
        from config in new KlAutoencoderConfig[]
        {
            new(), Tiny with { NormGroups = 32, Ch = 32 },
            new() { Ch = 64, ChMult = [1, 1, 2, 2, 4], ZChannels = 16, AttentionLevels = [4], InChannels = 1, OutCh = 2 },
        }
        select config with { Keys = keys };

    [TestCaseSource(nameof(Configs))]
    public void Its_shapes_give_the_configuration_back(KlAutoencoderConfig config)
    {
        var inferred = KlAutoencoderConfig.Infer(Shapes(config));
        Assert.That(inferred, Is.Not.Null);
        Assert.That(inferred!.ChMult, Is.EqualTo(config.ChMult));
        Assert.That(inferred.AttentionLevels, Is.EqualTo(config.AttentionLevels));
        Assert.That(inferred with { ChMult = config.ChMult, AttentionLevels = config.AttentionLevels }, Is.EqualTo(config));
    }

    [Test]
    public void Other_networks_are_no_autoencoder()
    {
        Assert.That(KlAutoencoderConfig.Infer(new Dictionary<string, long[]>()), Is.Null);
        foreach (string key in (string[])["encoder.conv_in.weight", "decoder.conv_in.weight", "encoder.mid.attn_1.q.weight", "encoder.down.0.block.0.conv1.weight"])
            Assert.That(KlAutoencoderConfig.Infer(Shapes(Tiny).Where(s => s.Key != key).ToDictionary()), Is.Null, "without " + key);
        var hostile = Shapes(Tiny);
        hostile["encoder.conv_in.weight"] = [1L << 40, 3, 3, 3];
        Assert.That(KlAutoencoderConfig.Infer(hostile), Is.Null);
    }

    [Test]
    public void Impossible_configurations_are_refused()
    {
        Assert.That(() => new KlAutoencoder(new() { Ch = 48 }), Throws.ArgumentException.With.Message.Contains("norm_groups"));
        Assert.That(() => new KlAutoencoder(new() { ChMult = [] }), Throws.ArgumentException.With.Message.Contains("ch_mult"));
        Assert.That(() => new KlAutoencoder(new() { ZChannels = 0 }), Throws.ArgumentException.With.Message.Contains("z_channels"));
        Assert.That(() => new KlAutoencoder(new() { AttentionLevels = [4] }), Throws.ArgumentException.With.Message.Contains("levels"));
        var b = new PlanBuilder(new CpuKernels(1));
        Assert.That(() => new KlAutoencoder(Tiny).RecordEncoder(b, b.Input("x", new Shape(1, 8, 6, 3))), Throws.ArgumentException.With.Message.Contains("divisible by 4"));
        Assert.That(() => new KlAutoencoder(Tiny).RecordDecoder(b, b.Input("z", new Shape(1, 4, 4, 4))), Throws.ArgumentException.With.Message.Contains("[N,h,w,3]"));
    }

    /// <summary>Keys as in the published table of names, written here independently of the network's.</summary>
    [Test]
    public void Files_of_diffusers_load([Values(KlAutoencoderKeys.Diffusers, KlAutoencoderKeys.OldDiffusers)] KlAutoencoderKeys keys, [Values] bool linear)
    {
        float[] expected = Evaluate(Tiny, Weights(Tiny), "");
        var renamed = Weights(Tiny).Select(w => TensorEntry.Of("first_stage_model." + Rename(w.Name, keys == KlAutoencoderKeys.Diffusers),
            linear && AttentionWeight().IsMatch(w.Name) ? w.Extents[..2] : w.Extents, w.Values));
        var shapes = renamed.ToDictionary(t => t.Name["first_stage_model.".Length..], t => t.Shape.ToArray());
        var config = KlAutoencoderConfig.Infer(shapes)!;
        Assert.That(config.Keys, Is.EqualTo(keys));
        Assert.That(Evaluate(config with { NormGroups = Tiny.NormGroups }, Weights(Tiny), "first_stage_model.", renamed), Is.EqualTo(expected));
    }

    /// <summary>Two of the largest maps at once: a block's input and the result of its first convolution, or what is upsampled and the image of it.</summary>
    [Test]
    public void Decoding_needs_no_more_memory_than_two_of_its_largest_maps()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        var network = new KlAutoencoder(new() { Ch = 32 });
        network.Declare(parameters);
        var b = new PlanBuilder(kernels, parameters);
        b.Output("image", network.RecordDecoder(b, b.Input("z", new Shape(1, 16, 16, 4))));
        using var plan = b.Build();
        long largest = plan.Steps.SelectMany(s => s.Writes).Where(t => t.Shape.Rank == 4).Max(t => t.Shape.Count) * sizeof(float);
        Assert.That(plan.PeakBytes, Is.LessThan(2.02 * largest));
    }

    [Test]
    public void Latents_are_drawn_from_their_posterior()
    {
        const int Pixels = 20_000;
        var network = new KlAutoencoder(new() { ZChannels = 2 });
        float[] moments = new float[Pixels * 4], latents = new float[Pixels * 2], again = new float[Pixels * 2];
        for (int i = 0; i < Pixels; i++) (moments[4 * i], moments[4 * i + 1], moments[4 * i + 2], moments[4 * i + 3]) = (3, -5, MathF.Log(4), -1000);
        network.SamplePosterior(moments, 9, 2, latents);
        double[] first = [.. Enumerable.Range(0, Pixels).Select(i => (double)latents[2 * i])];
        double mean = first.Average(), deviation = Math.Sqrt(first.Average(v => (v - mean) * (v - mean)));
        Assert.That(mean, Is.EqualTo(3).Within(4 * 2 / Math.Sqrt(Pixels)));
        Assert.That(deviation, Is.EqualTo(2).Within(4 * 2 / Math.Sqrt(2.0 * Pixels)));
        Assert.That(Enumerable.Range(0, Pixels).Max(i => Math.Abs(latents[2 * i + 1] + 5)), Is.InRange(1e-7, 5e-6), "a log-variance of -30 at least");

        network.SamplePosterior(moments, 9, 2, again);
        Assert.That(again, Is.EqualTo(latents));
        network.SamplePosterior(moments, 9, 3, again);
        Assert.That(again, Is.Not.EqualTo(latents), "another sample");
        Assert.That(() => network.SamplePosterior(moments, 9, 3, again.AsSpan(2)), Throws.ArgumentException);
    }

    [GeneratedRegex(@"attn_1\.(q|k|v|proj_out)\.weight$")]
    private static partial Regex AttentionWeight();

    private static string Rename(string key, bool newNames)
    {
        string[] layers = newNames ? ["to_q", "to_k", "to_v", "to_out.0"] : ["query", "key", "value", "proj_attn"];
        key = Regex.Replace(key, @"up\.(\d)\.", m => $"up_blocks.{Tiny.ChMult.Length - 1 - int.Parse(m.Groups[1].Value)}.");
        key = Regex.Replace(key, @"down\.(\d)\.", "down_blocks.$1.");
        key = Regex.Replace(key, @"\.block\.(\d)\.", ".resnets.$1.").Replace("nin_shortcut", "conv_shortcut");
        key = key.Replace("downsample.conv", "downsamplers.0.conv").Replace("upsample.conv", "upsamplers.0.conv").Replace("norm_out", "conv_norm_out");
        key = key.Replace("mid.block_1", "mid_block.resnets.0").Replace("mid.block_2", "mid_block.resnets.1").Replace("attn_1.norm", "attn_1.group_norm");
        key = key.Replace("attn_1.q.", $"attn_1.{layers[0]}.").Replace("attn_1.k.", $"attn_1.{layers[1]}.").Replace("attn_1.v.", $"attn_1.{layers[2]}.")
            .Replace("attn_1.proj_out", "attn_1." + layers[3]);
        return key.Replace("mid.attn_1", "mid_block.attentions.0");
    }

    private static Dictionary<string, long[]> Shapes(KlAutoencoderConfig config)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new KlAutoencoder(config).Declare(parameters);
        return parameters.Items.ToDictionary(p => p.Name, p => p.PublishedShape.Select(e => (long)e).ToArray());
    }

    private static IEnumerable<(string Name, long[] Extents, float[] Values)> Weights(KlAutoencoderConfig config)
    {
        var random = new Random(4);
        foreach (var (name, extents) in Shapes(config))
        {
            long count = extents.Aggregate(1L, (a, b) => a * b);
            double scale = extents.Length == 1 ? 0.5 : 2 / Math.Sqrt(count / extents[0]);
            yield return (name, extents, [.. Enumerable.Range(0, (int)count).Select(_ => (float)(scale * (random.NextDouble() - 0.5) + (name.Contains("norm") ? 1 : 0)))]);
        }
    }

    /// <summary>Decoded image and moments with weights from a file.</summary>
    private static float[] Evaluate(
        KlAutoencoderConfig config, IEnumerable<(string Name, long[] Extents, float[] Values)> weights, string prefix, IEnumerable<TensorEntry>? entries = null)
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"kl-{Guid.NewGuid():n}.safetensors");
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = new KlAutoencoder(config);
        network.Declare(parameters);
        try
        {
            SafetensorsWriter.Write(path, entries ?? weights.Select(w => TensorEntry.Of(w.Name, w.Extents, w.Values)));
            using var file = SafetensorsFile.Open(path);
            network.Read(file, prefix, parameters, kernels);
        }
        finally
        {
            File.Delete(path);
        }
        var b = new PlanBuilder(kernels, parameters);
        var image = b.Input("image", new Shape(1, 8, 12, config.InChannels));
        var z = b.Input("z", new Shape(1, 2, 3, config.ZChannels));
        var moments = b.Output("moments", network.RecordEncoder(b, image));
        var decoded = b.Output("decoded", network.RecordDecoder(b, z));
        using var plan = b.Build();
        var random = new Random(5);
        foreach (var input in (Tensor[])[image, z]) kernels.Upload([.. Enumerable.Range(0, (int)input.Shape.Count).Select(_ => 2 * random.NextSingle() - 1)], input.View);
        plan.Run();
        return [.. decoded.View.Span, .. moments.View.Span];
    }
}
