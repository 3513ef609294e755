using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>The hybrid loss of Nichol and Dhariwal 2021.</summary>
internal sealed class LearnedVarianceTests
{
    // Rows of one element each: g, nu, x0 and the six numbers.
    private static float[] Bits(float[] g, float[] nu, float[] x0, float[] row)
    {
        int n = g.Length;
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        Tensor prediction = b.Input("prediction", new Shape(n, 2)), z = b.Input("z", new Shape(n, 1)), clean = b.Input("x0", new Shape(n, 1)), rows = b.Input("rows", new Shape(n, 6));
        var bits = b.Output("bits", b.VariationalBound(prediction, z, clean, rows).RowLosses);
        using var plan = b.Build();
        kernels.Upload([.. g.Zip(nu, (a, c) => new[] { a, c }).SelectMany(p => p)], prediction.View);
        kernels.Upload(new float[n], z.View);
        kernels.Upload(x0, clean.View);
        kernels.Upload([.. Enumerable.Repeat(row, n).SelectMany(r => r)], rows.View);
        plan.Run();
        return bits.View.Span.ToArray();
    }

    [Test]
    public void The_divergence_is_zero_exactly_where_mean_and_variance_match()
    {
        float[] row = [0, 1, 0.5f, -4, -3, 0];
        float[] bits = Bits([0.3f, 0.3f, 0.3f, 0.2f], [-1, -0.5f, 1, -1], [0.3f, 0.3f, 0.3f, 0.3f], row);
        Assert.That(bits[0], Is.Zero);
        Assert.That(bits[1..], Has.All.GreaterThan(1e-3));
        // Half the squared distance of the means, 0.05, over the variance e^-4.
        Assert.That(bits[3], Is.EqualTo(0.5 * 0.0025 * Math.Exp(4) / Math.Log(2)).Within(1e-5));
    }

    [TestCase(0.1f, -5f)]
    [TestCase(-0.97f, -6f)]
    [TestCase(0.6f, -3f)]
    public void Likelihoods_of_all_bytes_sum_to_one(float mean, float logVariance)
    {
        float[] levels = [.. Enumerable.Range(0, 256).Select(k => k / 127.5f - 1)];
        float[] bits = Bits([.. levels.Select(_ => mean)], new float[256], levels, [0, 1, 1, logVariance - 1, logVariance + 1, 1]);
        Assert.That(bits.Sum(v => Math.Pow(2, -v)), Is.EqualTo(1).Within(2e-3));
    }

    [Test]
    public void Training_learns_the_variance_and_resumes_to_the_bit()
    {
        var settings = TinyModel.Settings with { Prediction = PredictionType.Eps };
        var training = new TrainingSettings { BatchSize = 16, Steps = 150, WarmupSteps = 10, LearningRate = 3e-3, Seed = 4 };
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(TinyModel.Network with { OutChannels = 2 }, settings, kernels, seed: 1);
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "learned.safetensors");
        var losses = new List<double>();
        using (var trainer = new Trainer(model, TinyModel.Data(), training))
            for (int i = 0; i < training.Steps; i++)
            {
                losses.Add(trainer.RunStep().Loss);
                if (i == 99) trainer.Save(path);
            }
        Assert.That(losses.TakeLast(20).Average(), Is.LessThan(0.6 * losses.Take(20).Average()), "mean loss, first and last 20 steps");
        using var resumed = Trainer.Resume(path, TinyModel.Data(), kernels);
        using var again = resumed.Model;
        resumed.Run();
        Assert.That(again.Parameters.Values.Span.SequenceEqual(model.Parameters.Values.Span));
        var last = model.Parameters["out.2.bias"];
        Assert.That(Math.Abs(model.Parameters.ValueOf(last).Span[1]), Is.GreaterThan(1e-3), "the variance's channel moved");
        using var sampler = new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 10, Variance = AncestralVariance.LearnedRange });
        Assert.That(() => sampler.Sample([new SampleRequest(1, new GuidanceScale(2), 0)]), Throws.Nothing);
    }

    [Test]
    public void A_transformer_learns_its_variance_too()
    {
        var network = new DitConfig { InputSize = TinyModel.Size, PatchSize = 2, InChannels = 1, HiddenSize = 32, Depth = 2, NumHeads = 2, NumClasses = TinyModel.Classes };
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(network, TinyModel.Settings with { Prediction = PredictionType.Eps, Schedule = NoiseScheduleKind.Linear }, kernels, seed: 1);
        using var trainer = new Trainer(model, TinyModel.Data(), new TrainingSettings { BatchSize = 16, Steps = 100, WarmupSteps = 10, LearningRate = 3e-3, WeightDecay = 0 });
        double[] losses = [.. Enumerable.Range(0, 100).Select(_ => trainer.RunStep().Loss)];
        Assert.That(losses.TakeLast(20).Average(), Is.LessThan(0.7 * losses.Take(20).Average()));
    }

    [Test]
    public void It_needs_timesteps()
    {
        using var kernels = new CpuKernels(1);
        using var model = new DiffusionModel(TinyModel.Network with { OutChannels = 2 }, TinyModel.Settings with { Schedule = NoiseScheduleKind.Continuous }, kernels);
        Assert.That(() => new Trainer(model, TinyModel.Data(), new TrainingSettings { BatchSize = 2, Steps = 1 }), Throws.ArgumentException.With.Message.Contains("the continuous schedule"));
    }
}
