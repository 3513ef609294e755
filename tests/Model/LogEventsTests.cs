using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Tests.Packaging;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

/// <summary>What an application's logger is told.</summary>
public sealed class LogEventsTests
{
    [Test]
    public void Loading_sampling_training_and_cancelling_are_told()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "logged.safetensors");
        using var kernels = new CpuKernels(1);
        var log = new List();
        using (var model = TinyModel.CreateRandom(kernels)) model.Save(path);
        using var loaded = DiffusionModel.Load(path, kernels, logger: log);
        using var sampler = new GuidedSampler(loaded, new SamplerSettings { Steps = 2 });
        SampleRequest[] requests = [new(0, new GuidanceScale(2), 0)];
        sampler.Sample(requests);
        Assert.That(() => sampler.Sample(requests, cancellation: new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        using var trainer = new Trainer(loaded, TinyModel.Data(), new TrainingSettings { Steps = 2, BatchSize = 4 });
        trainer.Run();
        trainer.SaveModel(path);
        var config = new ClassifierConfig { ImageSize = TinyModel.Size, Width = 8, Levels = 2, NormGroups = 4, ClassNames = ["top", "left", "full"] };
        using var classifier = new ImageClassifier(config, kernels);
        using var classifierTrainer = new ClassifierTrainer(classifier, TinyModel.Data(8), new ClassifierTrainingSettings { Epochs = 1, BatchSize = 8 }, log);
        classifierTrainer.Run();

        Assert.That(log.Events.Select(e => e.Number).Where(n => n != 200), Is.EqualTo(new[] { 100, 201, 202, 201, 203, 300, 301, 302, 304, 300, 301, 302 }));
        Assert.That(log.Events.Select(e => e.Text), Has.Some.Match(@"^Loaded .*logged\.safetensors: UNet, [1-9]\d+ parameters on .*, in \d"));
        Assert.That(log.Events.Select(e => e.Text), Has.Some.Match(@"^Recorded a plan \(Whole\) for 1 images: \d+ kernels, \d+ bytes"));
        Assert.That(log.Events.Select(e => e.Text), Has.Some.Match(@"^Sampled 1 images by 2 evaluations in \d"));
    }

    [Test]
    public void The_documentation_lists_every_event_with_its_level()
    {
        string page = File.ReadAllText(Path.Combine(ProcessRun.Repository(), "docs", "applications.md"));
        string source = File.ReadAllText(Path.Combine(ProcessRun.Repository(), "src", "Model", "LogEvents.cs"));
        var events = Regex.Matches(source, @"LoggerMessage\((\d+), LogLevel\.(\w+)");
        Assert.That(events, Has.Count.GreaterThan(9));
        foreach (Match found in events)
            Assert.That(page, Does.Match($@"\| {found.Groups[1].Value} \| {found.Groups[2].Value.ToLowerInvariant()} \|"), found.Value);
    }

    private sealed class List : ILogger
    {
        public List<(int Number, string Text)> Events { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Events.Add((eventId.Id, formatter(state, exception)));
    }
}
