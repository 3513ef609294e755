using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Universal guidance against the published implementation, state by state, with its noises.</summary>
[TestFixture]
[Category("Reference")]
public sealed class UniversalReferenceTests
{
    private const int Channels = 3;

    private static IEnumerable<TestCaseData> Runs => GuidedRun.OfKind(ReferenceKinds.Universal);

    [TestCaseSource(nameof(Runs))]
    public void Every_state_agrees(ReferenceCase reference, int variant)
    {
        var run = new GuidedRun(reference, variant);
        using var kernels = new CpuKernels(2);
        using var model = run.VpModel(kernels);
        var (network, settings) = ((UNetConfig)model.Network.Config, model.Settings);
        using var weights = new Parameters(kernels);
        Guide.Declare(weights);
        reference.LoadWeights(weights, kernels);

        int size = network.ImageSize, n = run.Labels("y").Length, count = n * Channels * size * size, steps = run.Read("timesteps").Length;
        float[] At(float[] all, int i) => ReferenceCase.ToNhwc(all[(i * count)..((i + 1) * count)], n, Channels, size, size);
        float[] noise = run.Read("noise"), states = run.Read("states");
        // The list's first entry is that of the last steps.
        int[] recurrences = [.. reference.Config.GetProperty("variants")[variant].GetProperty("num_steps").EnumerateArray().Select(e => e.GetInt32()).Reverse()];
        Assert.That(recurrences, Has.Length.EqualTo(1), "the noises below are those of equal recurrences");
        int repeats = recurrences[0], draws = 2 * repeats - 1, compared = 0;
        bool byClass = run.Text("loss") == "cross_entropy";
        int[] targets = byClass ? run.Labels("target") : new int[n];
        var objective = byClass ? (IGuidanceObjective)new ClassifierObjective(new Guide(weights, reference.Config.GetProperty("guide_classes").GetInt32()))
            : new PictureObjective(ReferenceCase.ToNhwc(run.Read("target"), n, Channels, 4, 4));
        int iterations = (int)run.Number("max_iters", 0);
        var guider = new UniversalGuider(objective, new UniversalSettings
        {
            ForwardWeight = run.Flag("forward_guidance", false) ? run.Number("forward_weight", 0) : 0,
            Backward = iterations == 0 ? null : new BackwardGuidance(iterations, run.Number("lr", 0), run.Number("loss_cutoff", -1)),
        });
        var levels = settings.Discrete().Respace([.. run.Read("timesteps").Select(v => (int)v)]).Levels();
        var table = Samplers.Ddim(levels, PredictionType.Eps, run.Text("sampling_type") == "ddpm" ? 1 : 0, clip: true, rederiveEps: true);
        using var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions
        {
            Batch = n,
            Guidance = new Guidance { Branches = [], Gradients = [guider], Recurrences = recurrences },
            InitialState = At(run.Read("x"), 0),
            Noise = draw => At(noise, draw / draws * 2 * repeats + draw % draws),
            AfterEvaluation = (row, state) => ReferenceCase.AssertClose(state.Span.ToArray(), At(states, compared++), 3e-3, $"state after step {row}"),
        });
        sampler.Sample([.. run.Labels("y").Select((y, i) => new SampleRequest(y, new GuidanceScale(1), i) { Target = targets[i] })], (_, _) => { });
        Assert.That(compared, Is.EqualTo(steps));
    }

    /// <summary>The case's classifier.</summary>
    private sealed class Guide(Parameters weights, int classes) : IClassifierNetwork
    {
        public int Classes => classes;

        public int Channels => UniversalReferenceTests.Channels;

        public int? ImageSize => null;

        public bool TakesNoise => false;

        public Parameters Parameters => weights;

        public static void Declare(Parameters parameters)
        {
            parameters.Add("a.weight", new Shape(8, 3, 3, 3), Initializer.Constant(0));
            parameters.Add("a.bias", new Shape(8), Initializer.Constant(0));
            parameters.Add("b.weight", new Shape(12, 3, 3, 8), Initializer.Constant(0));
            parameters.Add("b.bias", new Shape(12), Initializer.Constant(0));
            parameters.Add("c.weight", new Shape(6, 12), Initializer.Constant(0));
            parameters.Add("c.bias", new Shape(6), Initializer.Constant(0));
        }

        public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps)
        {
            var h = b.Silu(b.Conv2d(images, b.Parameter("a.weight"), b.Parameter("a.bias"), new Conv2dOptions { Stride = 2 }));
            h = b.GlobalAveragePool(b.Silu(b.Conv2d(h, b.Parameter("b.weight"), b.Parameter("b.bias"), new Conv2dOptions { Stride = 2 })));
            return b.Linear(b.Reshape(h, new Shape(images.Shape.Batch, 12)), b.Parameter("c.weight"), b.Parameter("c.bias"));
        }
    }

    /// <summary>Minus the mean squared distance of 4 x 4 mean pools to a picture for each sample: an objective of one's own, with an op of one's own.</summary>
    private sealed class PictureObjective(float[] pictures) : IGuidanceObjective
    {
        public int? Targets => null;

        public IReadOnlyList<Parameters> Weights => [];

        public void Require(string guider, DiffusionModel model) { }

        public GradientObjective Record(PlanBuilder b, GradientInputs inputs)
        {
            var pooled = b.AveragePool2x(b.AveragePool2x(inputs.Image));
            var shape = pooled.Shape;
            var difference = b.Add(pooled, b.Reshape(b.Constant("pictures", [.. pictures.Select(v => -v)]), shape));
            var square = b.Temporary(shape, "square");
            float[] d = new float[shape.Count], g = new float[shape.Count];
            b.Record("Square", [difference], [square], k =>
            {
                k.Download(difference.View, d);
                for (int i = 0; i < d.Length; i++) d[i] *= d[i];
                k.Upload(d, square.View);
            });
            b.OnBackward([difference], square, dy =>
            {
                var (dx, accumulate) = b.GradientTarget(difference);
                Assert.That(accumulate, Is.False);
                b.Record("SquareBackward", [difference, dy], [dx], k =>
                {
                    k.Download(difference.View, d);
                    k.Download(dy.View, g);
                    for (int i = 0; i < d.Length; i++) g[i] *= 2 * d[i];
                    k.Upload(g, dx.View);
                });
            });
            return new(square, b.Reshape(b.Constant("weights", [.. Enumerable.Repeat(-1f / shape.RowCount, (int)shape.Count)]), shape));
        }
    }
}
