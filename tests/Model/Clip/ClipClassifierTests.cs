using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Clip;

[TestFixture]
public sealed class ClipClassifierTests
{
    private static readonly string[] Texts = ["a cat", "dog"];

    [Test]
    public void Scores_are_cosines_of_the_two_towers_and_logits_their_trained_multiple([Values(1, 3)] int channels)
    {
        using var kernels = new CpuKernels(2);
        using var weights = TinyClip.Weights(kernels);
        var network = new ClipNetwork(TinyClip.Config);
        using var clip = new ClipClassifier(network, weights, TinyClip.Tokenizer(), Texts, channels);
        var shape = new Shape(3, 8, 8, channels);
        using var memory = kernels.Allocate(shape.Count);
        var images = new TensorView(memory, 0, shape);
        float[] pixels = [.. Enumerable.Range(0, (int)shape.Count).Select(i => MathF.Sin(i * i))];
        kernels.Upload(pixels, images);
        float[] cosines = clip.Cosines(pixels, 8, 8);
        Assert.That(clip.Cosines(images, null), Is.EqualTo(cosines), "on the device");

        int[] tokens = [.. Texts.SelectMany(t => TinyClip.Tokenizer().Tokenize(t, TinyClip.Config.ContextLength))];
        var b = new PlanBuilder(kernels, weights);
        Tensor x = b.Input("x", new Shape(3, 8, 8, 3)), text = b.Input("text", new Shape(2, TinyClip.Config.ContextLength)), ends = b.Input("ends", new Shape(2));
        var imageFeatures = b.Output("images", network.RecordImage(b, ClipPreprocessing.Record(b, x, 8)));
        var textFeatures = b.Output("texts", network.RecordText(b, text, ends));
        var logits = b.Output("logits", clip.RecordLogits(b, b.Bind("own", images), ends));
        using var plan = b.Build();
        kernels.Upload(channels == 3 ? pixels : [.. pixels.SelectMany(p => new[] { p, p, p })], x.View);
        kernels.Upload(tokens, text.View);
        kernels.Upload(ClipNetwork.EndRows(tokens, TinyClip.Config.ContextLength), ends.View);
        plan.Run();
        float[] image = imageFeatures.View.Span.ToArray(), words = textFeatures.View.Span.ToArray(), scaled = logits.View.Span.ToArray();
        for (int n = 0; n < 3; n++)
            for (int t = 0; t < 2; t++)
            {
                double dot = 0, a = 0, c = 0;
                for (int i = 0; i < 8; i++) (dot, a, c) = (dot + image[n * 8 + i] * words[t * 8 + i], a + image[n * 8 + i] * image[n * 8 + i], c + words[t * 8 + i] * words[t * 8 + i]);
                Assert.That(cosines[2 * n + t], Is.EqualTo(dot / Math.Sqrt(a * c)).Within(1e-5));
                Assert.That(scaled[2 * n + t], Is.EqualTo(cosines[2 * n + t] / 0.07).Within(1e-3));
            }
        Assert.That(Math.Abs(cosines[0] - cosines[2]), Is.GreaterThan(1e-4), "images differ");
    }

    [Test]
    public void Guidance_by_a_text_raises_the_score_along_the_path()
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        using var weights = TinyClip.Weights(kernels);
        using var clip = new ClipClassifier(new ClipNetwork(TinyClip.Config), weights, TinyClip.Tokenizer(), Texts, channels: 1);
        SampleRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => new SampleRequest(i % 3, new GuidanceScale(1), i) { Target = i % 2 })];
        IReadOnlyList<ClipScore> Scores(double scale, double sine)
        {
            var path = new ClipScorePath(clip, requests);
            using var sampler = new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 6 }, new GuidedSamplerOptions
            {
                Batch = 3, Guidance = new Guidance { Branches = [], Gradients = [new EluCdGuider(clip, EluCdSettings.Clip with { Scale = scale, Sine = sine })] }, Observer = path.Observe,
            });
            sampler.Sample(requests, (_, _) => { });
            return path.Scores;
        }
        var plain = Scores(0, 0);
        Assert.That(plain.Select(s => (s.Moment.Step, s.Images)), Is.EqualTo(Enumerable.Range(0, 6).Select(i => (i, 4))));
        Assert.That(plain.Select(s => s.StandardError), Has.All.Positive);
        var guided = Scores(0.1, 0.3);
        Assert.That(guided[0].Mean, Is.EqualTo(plain[0].Mean).Within(1e-6), "nothing has moved the first prediction");
        Assert.That(guided[^1].Mean, Is.GreaterThan(plain[^1].Mean));
        Assert.That(guided[^1].Mean, Is.Not.EqualTo(Scores(0.1, 0)[^1].Mean), "with and without the sine");
    }

    [Test]
    public void What_does_not_fit_is_refused_with_the_remedy()
    {
        using var kernels = new CpuKernels(1);
        using var weights = TinyClip.Weights(kernels);
        void Refused(string[] texts, int channels, int merges, string reason) => Assert.That(
            () => new ClipClassifier(new ClipNetwork(TinyClip.Config), weights, TinyClip.Tokenizer(merges), texts, channels), Throws.ArgumentException.With.Message.Contains(reason));
        Refused([], 3, 0, "at least one");
        Refused(["abcdefghij"], 3, 0, "6 tokens");
        Refused(["a"], 4, 0, "got 4");
        Refused(["a"], 3, 2, "516 tokens");
        using var clip = new ClipClassifier(new ClipNetwork(TinyClip.Config), weights, TinyClip.Tokenizer(), Texts);
        Assert.That(() => clip.Cosines(new float[100], 8, 8), Throws.ArgumentException.With.Message.Contains("[8, 8, 3]"));
        Assert.That(() => clip.Cosines([], 8, 8), Throws.ArgumentException);
    }
}
