using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Clip;

[TestFixture]
public sealed class ClipNetworkTests
{
    private static readonly ClipConfig Tiny = new()
    {
        EmbedDim = 8, ImageResolution = 12, VisionLayers = 2, VisionWidth = 64, VisionPatchSize = 4, ContextLength = 6, VocabSize = 20,
        TransformerWidth = 12, TransformerHeads = 3, TransformerLayers = 2,
    };

    [TestCase("ViT-B/32", 151_277_313)]
    [TestCase("ViT-B/16", 149_620_737)]
    [TestCase("ViT-L/14", 427_616_513)]
    [TestCase("ViT-L/14@336px", 427_944_193)]
    public void Published_models_have_their_parameters_and_shapes_tell_the_model(string name, long count)
    {
        var config = ClipConfig.Preset(name);
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new ClipNetwork(config).Declare(parameters);
        Assert.That(parameters.Count, Is.EqualTo(count));
        var shapes = parameters.Items.ToDictionary(p => p.Name, p => p.PublishedShape.Select(e => (long)e).ToArray());
        Assert.That(ClipConfig.Infer(shapes), Is.EqualTo(config));
        shapes.Remove("text_projection");
        Assert.That(ClipConfig.Infer(shapes), Is.Null, "not of this family");
    }

    [Test]
    public void Unknown_models_are_refused() =>
        Assert.That(() => ClipConfig.Preset("RN50"), Throws.ArgumentException.With.Message.Contains("ViT-B/32").And.Message.Contains("RN50"));

    [Test]
    public void The_end_of_a_text_is_its_largest_id()
    {
        Assert.That(ClipNetwork.EndRows([1, 9, 3, 0, 7, 2, 8, 8], 4), Is.EqualTo(new[] { 1, 6 }), "the first of equals");
        Assert.That(() => ClipNetwork.EndRows([1, 2, 3], 2), Throws.ArgumentException);
    }

    [Test]
    public void A_text_does_not_see_what_comes_after_its_end()
    {
        using var kernels = new CpuKernels(2);
        using var parameters = New(kernels);
        float[] a = Text(kernels, parameters, [18, 4, 5, 19, 0, 0]), same = Text(kernels, parameters, [18, 4, 5, 19, 7, 8]);
        float[] other = Text(kernels, parameters, [18, 4, 6, 19, 0, 0]);
        Assert.That(same, Is.EqualTo(a));
        Assert.That(other, Is.Not.EqualTo(a));
    }

    [Test]
    public void An_image_does_not_depend_on_the_others_and_a_gradient_reaches_it_through_the_preprocessing()
    {
        using var kernels = new CpuKernels(2);
        using var parameters = New(kernels);
        var network = new ClipNetwork(Tiny);
        float[] Features(int images, out float[] gradient)
        {
            var b = new PlanBuilder(kernels, parameters);
            var x = b.Input("x", new Shape(images, 9, 7, 3));
            var features = b.Output("features", network.RecordImage(b, ClipPreprocessing.Record(b, x, Tiny.ImageResolution)));
            var ones = b.Input("ones", features.Shape);
            b.Backward(features, ones, parameters: false, x);
            var dx = b.Output("dx", b.GradientOf(x));
            using var plan = b.Build();
            var random = new Random(1);
            kernels.Upload([.. Enumerable.Range(0, (int)x.Count).Select(_ => 2 * random.NextSingle() - 1)], x.View);
            kernels.Upload([.. Enumerable.Repeat(1f, (int)ones.Count)], ones.View);
            plan.Run();
            gradient = dx.View.Span.ToArray();
            return features.View.Span.ToArray();
        }
        float[] two = Features(2, out float[] both), one = Features(1, out float[] alone);
        Assert.That(two[..one.Length], Is.EqualTo(one));
        Assert.That(both[..alone.Length], Is.EqualTo(alone));
        Assert.That(alone, Has.Some.Not.Zero);
    }

    private static Parameters New(CpuKernels kernels)
    {
        var parameters = new Parameters(kernels);
        new ClipNetwork(Tiny).Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 3);
        return parameters;
    }

    private static float[] Text(CpuKernels kernels, Parameters parameters, int[] tokens)
    {
        var b = new PlanBuilder(kernels, parameters);
        Tensor text = b.Input("text", new Shape(1, 6)), ends = b.Input("ends", new Shape(1));
        var features = b.Output("features", new ClipNetwork(Tiny).RecordText(b, text, ends));
        using var plan = b.Build();
        kernels.Upload(tokens, text.View);
        kernels.Upload(ClipNetwork.EndRows(tokens, 6), ends.View);
        plan.Run();
        return features.View.Span.ToArray();
    }
}
