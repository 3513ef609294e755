using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>Averages of another width, made after a training.</summary>
[TestFixture]
public sealed class PostHocAverageTests
{
    private static readonly TrainingSettings Settings = new()
    {
        BatchSize = 4, Steps = 24, WarmupSteps = 3, LearningRate = 2e-3, Seed = 11, PowerAverages = [0.05, 0.1, 0.13],
    };

    private string _folder = "";
    private List<string> _saved = [];
    private float[] _kept = [];

    [OneTimeSetUp]
    public void Train()
    {
        _folder = Directory.CreateTempSubdirectory("nd-averages").FullName;
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using var trainer = new Trainer(model, TinyModel.Data(), Settings);
        while (trainer.Step < Settings.Steps)
        {
            trainer.RunStep();
            if (trainer.Step % 3 == 0) _saved.AddRange(trainer.SavePowerAverages(_folder));
        }
        _kept = Values(Last(0.13));
        _saved = [.. _saved.Where(path => !path.Contains("-0.13-"))];
    }

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_width_that_was_not_kept_is_near_the_one_that_a_training_keeps()
    {
        using var kernels = new CpuKernels(1);
        var result = PostHocAverage.Combine(_saved, 0.13, kernels);
        using var model = result.Model;
        float[] got = model.Parameters.Values.Span.ToArray(), other = Values(Last(0.1));
        Assert.That(result.Images, Is.EqualTo(Settings.Steps * Settings.BatchSize));
        Assert.That(result.Factors.Sum(), Is.EqualTo(1).Within(1e-12));
        // Sixteen averages are 24 steps within a few percent; the nearest kept width is several times as far.
        Assert.That(Distance(got, _kept), Is.LessThan(0.1 * Distance(other, _kept)));
    }

    [Test]
    public void A_width_that_was_kept_is_returned_as_it_was()
    {
        using var kernels = new CpuKernels(1);
        using var model = PostHocAverage.Combine(_saved, 0.1, kernels, images: 60).Model;
        float[] expected = Values(Path.Combine(_folder, "average-0.1-0000015.safetensors"));
        Assert.That(Distance(model.Parameters.Values.Span.ToArray(), expected), Is.LessThan(1e-5));
    }

    [Test]
    public void A_resumed_training_keeps_its_averages_to_the_bit()
    {
        using var kernels = new CpuKernels(1);
        string path = Path.Combine(_folder, "checkpoint.safetensors");
        using (var model = TinyModel.Create(kernels))
        using (var trainer = new Trainer(model, TinyModel.Data(), Settings))
        {
            for (int i = 0; i < 10; i++) trainer.RunStep();
            trainer.Save(path);
        }
        using var resumed = Trainer.Resume(path, TinyModel.Data(), kernels);
        using var again = resumed.Model;
        resumed.Run();
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "resumed")).FullName;
        foreach (string file in resumed.SavePowerAverages(folder))
            Assert.That(File.ReadAllBytes(file), Is.EqualTo(File.ReadAllBytes(Path.Combine(_folder, Path.GetFileName(file)))), file);
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    public void What_cannot_be_combined_is_refused()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        string plain = Path.Combine(_folder, "plain.safetensors"), copy = Path.Combine(_folder, "copy.safetensors");
        model.Save(plain);
        File.Copy(_saved[0], copy, overwrite: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => PostHocAverage.Combine([], 0.1, kernels), Throws.ArgumentException);
            Assert.That(() => PostHocAverage.Combine(_saved, 0.3, kernels), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("0.2887"));
            Assert.That(() => PostHocAverage.Combine(_saved, 0.1, kernels, images: 97), Throws.ArgumentException.With.Message.Contains("96"));
            Assert.That(() => PostHocAverage.Combine([.. _saved, plain], 0.1, kernels), Throws.InstanceOf<CheckpointException>().With.Message.Contains("power_average"));
            Assert.That(() => PostHocAverage.Combine([.. _saved, copy], 0.1, kernels), Throws.InstanceOf<CheckpointException>().With.Message.Contains("same average"));
        }
    }

    private string Last(double width) => Path.Combine(_folder, FormattableString.Invariant($"average-{width}-{Settings.Steps:0000000}.safetensors"));

    private static float[] Values(string path)
    {
        using var kernels = new CpuKernels(1);
        using var model = NativeDiffusion.Model.DiffusionModel.Load(path, kernels);
        return model.Parameters.Values.Span.ToArray();
    }

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => Math.Pow(x - (double)y, 2)).Sum());
}
