using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>CLIP against the published implementation: features, logits, gradient of the similarity.</summary>
[TestFixture]
[Category("Reference")]
public sealed class ClipReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.Clip);

    [TestCaseSource(nameof(Cases))]
    public void Features_logits_and_gradient_agree(ReferenceCase reference)
    {
        var config = ModelJson.Read<ClipConfig>(reference.Config.GetRawText());
        using (var file = SafetensorsFile.Open(reference.Path))
        {
            var shapes = file.Tensors.Where(t => t.Name.StartsWith("weights.", StringComparison.Ordinal))
                .ToDictionary(t => t.Name["weights.".Length..], t => t.Shape.ToArray());
            Assert.That(ClipConfig.Infer(shapes)! with { TransformerHeads = config.TransformerHeads }, Is.EqualTo(config), "what the shapes say");
        }
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = new ClipNetwork(config);
        network.Declare(parameters);
        reference.LoadWeights(parameters, kernels);

        int[] tokens = [.. reference.Read("in.tokens").Select(v => (int)v)];
        float[] pixels = reference.Read("in.image");
        int size = config.ImageResolution, texts = tokens.Length / config.ContextLength, images = pixels.Length / (3 * size * size);
        var b = new PlanBuilder(kernels, parameters);
        Tensor image = b.Input("image", new Shape(images, size, size, 3)), text = b.Input("text", new Shape(texts, config.ContextLength));
        var ends = b.Input("ends", new Shape(texts));
        Tensor imageFeatures = b.Output("image_features", network.RecordImage(b, image)), textFeatures = b.Output("text_features", network.RecordText(b, text, ends));
        var scale = new Slot<float>(1);
        var logits = b.Output("logits", ClipNetwork.RecordLogits(b, imageFeatures, textFeatures, scale));
        var cotangent = b.Input("cotangent", logits.Shape);
        b.Backward(logits, cotangent, parameters: false, image);
        var gradient = b.Output("gradient", b.GradientOf(image));
        using var plan = b.Build();
        kernels.Upload(ReferenceCase.ToNhwc(pixels, images, 3, size, size), image.View);
        kernels.Upload(tokens, text.View);
        kernels.Upload(ClipNetwork.EndRows(tokens, config.ContextLength), ends.View);
        // The similarity is the sum of the cosines of each image and its own text.
        kernels.Upload([.. Enumerable.Range(0, images * texts).Select(i => i / texts == i % texts ? 1f : 0f)], cotangent.View);
        plan.Run();

        ReferenceCase.AssertClose(imageFeatures.View.Span.ToArray(), reference.Read("out.image_features"), 2e-4, "image features");
        ReferenceCase.AssertClose(textFeatures.View.Span.ToArray(), reference.Read("out.text_features"), 2e-4, "text features");
        float[] expected = ReferenceCase.ToNhwc(reference.Read("grad_similarity.image"), images, 3, size, size);
        ReferenceCase.AssertClose(gradient.View.Span.ToArray(), expected, 2e-4, "gradient of the similarity");
        scale.Value = ClipNetwork.Scale(parameters, kernels);
        plan.Run();
        ReferenceCase.AssertClose(logits.View.Span.ToArray(), reference.Read("out"), 2e-4, "logits");
    }
}
