using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Networks;

[TestFixture]
public sealed class TutorialMlpTests
{
    private static readonly TutorialMlpConfig Small = new() { ImageSize = 3, NumClasses = 4, Width = 5, TanhHead = true };

    [Test]
    public void Has_the_layers_of_its_source()
    {
        using var kernels = new CpuKernels(1);
        var parameters = new Parameters(kernels);
        new TutorialMlp(new TutorialMlpConfig()).Declare(parameters);
        Assert.That(parameters["encoder.0.weight"].Shape, Is.EqualTo(new Shape(512, 1296)));
        Assert.That(parameters["class_embedding.weight"].Shape, Is.EqualTo(new Shape(11, 256)));
        Assert.That(parameters["decoder.3.weight"].Shape, Is.EqualTo(new Shape(784, 512)));
        parameters.Dispose();
    }

    /// <summary>Against the same layers written out in double.</summary>
    [Test]
    public void Agrees_with_its_layers([Values] bool tanh)
    {
        using var kernels = new CpuKernels(1);
        var network = new TutorialMlp(Small with { TanhHead = tanh });
        using var parameters = new Parameters(kernels);
        network.Declare(parameters);
        float[] weights = new float[parameters.Values.Count];
        Philox.Fill(weights, 3, 0, 0, RandomStream.Weights, 0.5);
        kernels.Upload(weights, parameters.Values);
        parameters.MarkChanged();
        var b = new PlanBuilder(kernels, parameters);
        b.Output("y", network.Record(b, b.Input("x", new Shape(2, 3, 3, 1)), b.Input("t", new Shape(2)), b.Input("labels", new Shape(2))));
        using var plan = b.Build();
        float[] x = [.. Enumerable.Range(0, 18).Select(i => 0.1f * i - 1)], got = new float[18];
        kernels.Upload(x, plan.Input("x"));
        kernels.Upload([300f, 900f], plan.Input("t"));
        kernels.Upload([3, 1], plan.Input("labels"));
        plan.Run();
        kernels.Download(plan.Output("y"), got);

        double[] W(string name) => [.. parameters.ValueOf(parameters[name]).Span.ToArray().Select(v => (double)v)];
        double[] Linear(string name, double[] v) => [.. W(name + ".bias").Select((bias, i) => bias + v.Select((value, j) => value * W(name + ".weight")[i * v.Length + j]).Sum())];
        double[] Relu(double[] v) => [.. v.Select(value => Math.Max(value, 0))];
        double[] Norm(string name, double[] v)
        {
            double mean = v.Average(), deviation = Math.Sqrt(v.Average(value => (value - mean) * (value - mean)) + 1e-5);
            return [.. v.Select((value, i) => (value - mean) / deviation * W(name + ".weight")[i] + W(name + ".bias")[i])];
        }
        for (int row = 0; row < 2; row++)
        {
            int label = row == 0 ? 3 : 1;
            double time = row == 0 ? 0.3 : 0.9;
            double[] condition = Relu(Linear("class_mlp.0", W("class_embedding.weight")[(label * 5)..(label * 5 + 5)]));
            double[] embedded = Linear("time_mlp.2", Relu(Linear("time_mlp.0", [time])));
            double[] h = [.. x.Skip(9 * row).Take(9).Select(v => (double)v), .. condition, .. embedded];
            foreach (var (linear, norm) in new[] { ("encoder.0", "encoder.1"), ("encoder.3", "encoder.4"), ("decoder.0", "decoder.1") })
                h = Relu(Norm(norm, Linear(linear, h)));
            h = Linear("decoder.3", h);
            for (int i = 0; i < 9; i++) Assert.That(got[9 * row + i], Is.EqualTo(tanh ? Math.Tanh(h[i]) : h[i]).Within(1e-5), $"{row}, {i}");
        }
    }

    [Test]
    public void Trains_is_saved_and_loaded()
    {
        using var kernels = new CpuKernels(1);
        var data = TinyModel.Data();
        using var model = new DiffusionModel(
            (TutorialMlpConfig)Presets.For(Presets.Tutorial with { ImageSize = TinyModel.Size, Width = 32 }, data),
            Presets.TutorialDiffusion with { ClassNames = TinyModel.Settings.ClassNames }, kernels, seed: 1);
        using var trainer = new Trainer(model, data, Presets.TutorialTraining with { Steps = 250, BatchSize = 32, LearningRate = 3e-3, LearningRateInterval = 1 });
        trainer.Run();
        Assert.That(trainer.History[^1].Loss, Is.LessThan(0.75 * trainer.History[0].Loss), string.Join(", ", trainer.History));
        string path = Path.Combine(Path.GetTempPath(), $"nd-tutorial-{Guid.NewGuid():N}.safetensors");
        try
        {
            model.Save(path);
            using var loaded = DiffusionModel.Load(path, kernels);
            Assert.That(loaded.Network.Config, Is.EqualTo(model.Network.Config));
            Assert.That(loaded.Parameters.Values.Span.ToArray(), Is.EqualTo(model.Parameters.Values.Span.ToArray()));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void Wrong_sizes_are_named() => Assert.That(() => new TutorialMlp(Small with { Width = 0 }), Throws.ArgumentException.With.Message.Contains("width"));
}
