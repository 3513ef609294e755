using System.Globalization;
using System.Text.RegularExpressions;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>The diffusion transformer against the published implementation: output, guided output, gradients.</summary>
[TestFixture]
[Category("Reference")]
public sealed partial class DitReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.Dit);

    [TestCaseSource(nameof(Cases))]
    public void Output_and_gradients_agree(ReferenceCase reference)
    {
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = Load(reference, parameters, kernels);
        var config = network.Config;
        int n = reference.Read("in.t").Length, size = config.InputSize;
        var b = new PlanBuilder(kernels, parameters);
        Tensor x = b.Input("x", new Shape(n, size, size, config.InChannels)), t = b.Input("t", new Shape(n)), y = b.Input("y", new Shape(n));
        var output = b.Output("out", network.Record(b, x, t, y));
        var cotangent = b.Input("cotangent", output.Shape);
        b.Backward(output, cotangent, parameters: true, x);
        var dx = b.Output("dx", b.GradientOf(x));
        using var plan = b.Build();
        kernels.Upload(Image(reference, "in.x", n, config.InChannels, size), x.View);
        kernels.Upload(reference.Read("in.t"), t.View);
        kernels.Upload([.. reference.Read("in.y").Select(v => (int)v)], y.View);
        kernels.Upload(Image(reference, "cotangent", n, output.Shape[3], size), cotangent.View);
        plan.Run();

        ReferenceCase.AssertClose(output.View.Span.ToArray(), Image(reference, "out", n, output.Shape[3], size), 2e-4, "output");
        ReferenceCase.AssertClose(dx.View.Span.ToArray(), Image(reference, "grad_in.x", n, config.InChannels, size), 2e-4, "input gradient");
        reference.AssertParameterGradients(parameters);
        Assert.That(parameters.GradientOf(parameters["pos_embed"]).Span.ToArray(), Has.All.Zero, "the places of tokens are not trained");
    }

    [TestCaseSource(nameof(Cases))]
    public void Guidance_of_the_first_channels_agrees(ReferenceCase reference)
    {
        if (!reference.Has("out.forward_with_cfg")) Assert.Ignore("The case has no guided output.");
        var note = NotePattern().Match(reference.Config.GetProperty("cfg_note").GetString()!);
        Assert.That(note.Success, "the note says time, class and scale");
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = Load(reference, parameters, kernels);
        var config = network.Config;
        int size = config.InputSize, channels = config.InChannels;
        INetworkConfig published = config;
        var b = new PlanBuilder(kernels, parameters);
        Tensor x = b.Input("x", new Shape(2, size, size, channels)), t = b.Input("t", new Shape(2)), y = b.Input("y", new Shape(2));
        Tensor weight = b.Input("weight", new Shape(1, 2)), nullRow = b.Input("null_row", new Shape(1, 1)), index = b.Input("index", new Shape(1));
        var prediction = b.Output("out", network.Record(b, x, t, y));
        var guided = b.Output("guided", b.Temporary(new Shape(1, size, size, channels), "guided"));
        var z = b.Input("z", guided.Shape);
        // The first three channels only, as released; x0 of this row is the guided prediction itself.
        var row = new GuidedStepRow { XFromG = 1, GuidedChannels = 3 };
        b.GuidedStep(new Slot<GuidedStepRow>(row), new Slot<ulong>(0), z, index, prediction, weight, nullRow, denoised: guided);
        using var plan = b.Build();
        float[] first = Image(reference, "in.x", reference.Read("in.t").Length, channels, size)[..(size * size * channels)];
        kernels.Upload([.. first, .. first], x.View);
        float time = float.Parse(note.Groups[1].Value, CultureInfo.InvariantCulture);
        kernels.Upload([time, time], t.View);
        kernels.Upload([int.Parse(note.Groups[2].Value, CultureInfo.InvariantCulture), published.NumClasses!.Value - 1], y.View);
        kernels.Upload([1, float.Parse(note.Groups[3].Value, CultureInfo.InvariantCulture) - 1], weight.View);
        kernels.Upload([1], nullRow.View);
        plan.Run();

        float[] expected = Image(reference, "out.forward_with_cfg", 2, published.OutChannels, size);
        float[] raw = prediction.View.Span.ToArray();
        // Guidance takes the place of the first channels in both halves; the others are each half's own.
        int outChannels = published.OutChannels;
        for (int i = 0; i < raw.Length; i++)
            if (i % outChannels < 3) raw[i] = guided.View.Span[i / outChannels % (size * size) * channels + i % outChannels];
        ReferenceCase.AssertClose(raw, expected, 2e-4, "guided output");
        for (int pixel = 0; pixel < size * size; pixel++)
            Assert.That(guided.View.Span[pixel * channels + channels - 1], Is.EqualTo(raw[pixel * outChannels + channels - 1]), "the last channel is conditional");
    }

    private static Dit Load(ReferenceCase reference, Parameters parameters, IKernels kernels)
    {
        var config = ModelJson.Read<DitConfig>(reference.Config.GetRawText());
        var network = new Dit(config);
        network.Declare(parameters);
        reference.LoadWeights(parameters, kernels);
        using var file = SafetensorsFile.Open(reference.Path);
        var shapes = file.Tensors.Where(t => t.Name.StartsWith("weights.", StringComparison.Ordinal)).ToDictionary(t => t.Name["weights.".Length..], t => t.Shape.ToArray());
        // Shapes say neither the number of heads nor which of the labels is the null class, and widths are rounded down.
        var inferred = DitConfig.Infer(shapes)!;
        Assert.That((inferred.Labels, inferred.HiddenWidth), Is.EqualTo((config.Labels, config.HiddenWidth)));
        inferred = inferred with { NumHeads = config.NumHeads, ClassDropoutProb = config.ClassDropoutProb, NumClasses = config.NumClasses, MlpRatio = config.MlpRatio };
        Assert.That(inferred, Is.EqualTo(config), "what the shapes say");
        return network;
    }

    private static float[] Image(ReferenceCase reference, string name, int n, int channels, int size) =>
        ReferenceCase.ToNhwc(reference.Read(name), n, channels, size, size);

    [GeneratedRegex(@"t=([\d.]+).*y=\[(\d+),\s*null\].*scale ([\d.]+)")]
    private static partial Regex NotePattern();
}
