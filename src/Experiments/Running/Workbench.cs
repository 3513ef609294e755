using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Experiments.Running;

/// <summary>Which files an experiment works with; what is left out is what comes with the tool.</summary>
internal sealed record ExperimentFiles
{
    /// <summary>The model.</summary>
    public string? Model { get; init; }

    /// <summary>The classifier of clean images that judges.</summary>
    public string? Judge { get; init; }

    /// <summary>The ResNet that guides.</summary>
    public string? Guide { get; init; }

    /// <summary>The classifier of noisy images that guides.</summary>
    public string? Noisy { get; init; }

    /// <summary>Real images and labels that the model never saw, in the IDX format.</summary>
    public (string Images, string Labels)? Reference { get; init; }
}

/// <summary>The models and data of an experiment, each read when it is first asked for.</summary>
internal sealed class Workbench : IDisposable
{
    private const string Digits = "models/digits.safetensors", DigitsJudge = "models/digits-classifier.safetensors", DigitsGuide = "models/digits-resnet.safetensors",
        DigitsNoisy = "models/digits-noisy-classifier.safetensors";

    private readonly Dictionary<double, ResNetClassifier> _guides = [];
    private readonly Lazy<DiffusionModel> _model;
    private readonly Lazy<NoisyClassifier> _noisy;
    private readonly Lazy<ImageDataset> _reference;
    private readonly Lazy<Judge> _judge;

    public Workbench(ExperimentFiles files, IKernels kernels)
    {
        (Files, Kernels, Arena) = (files, kernels, new Arena(kernels));
        _model = new(() => DiffusionModel.Load(PathOf("model"), kernels));
        _noisy = new(() => NoisyClassifier.Load(PathOf("noisy classifier"), kernels));
        _reference = new(() => files.Reference is { } given ? IdxFile.Load(given.Images, given.Labels) : ShippedDigits.LoadTest());
        _judge = new(() => new Judge(ImageClassifier.Load(PathOf("judge"), kernels), _reference.Value));
    }

    public ExperimentFiles Files { get; }

    public IKernels Kernels { get; }

    /// <summary>Shared by all samplers.</summary>
    public Arena Arena { get; }

    public DiffusionModel Model => _model.Value;

    public NoisyClassifier Noisy => _noisy.Value;

    public Judge Judge => _judge.Value;

    /// <summary>Real images that the model was trained on; null where nobody gave them.</summary>
    public ImageDataset? Real => Files.Reference is null ? ShippedDigits.LoadTrain() : null;

    /// <summary>The ResNet that guides, its ReLUs made smooth by softplus of this beta; infinity keeps them.</summary>
    public ResNetClassifier Guide(double beta)
    {
        if (!_guides.TryGetValue(beta, out var guide))
            _guides[beta] = guide = ResNetClassifier.Load(PathOf("guide"), Kernels, new ResNetGuideOptions { SoftplusBeta = beta });
        return guide;
    }

    /// <summary>Where the file of a role is.</summary>
    /// <exception cref="FileNotFoundException">The file that comes with the tool is not there.</exception>
    public string PathOf(string role) => role switch
    {
        "model" => Files.Model ?? ShippedFiles.Find(Digits),
        "judge" => Files.Judge ?? ShippedFiles.Find(DigitsJudge),
        "guide" => Files.Guide ?? ShippedFiles.Find(DigitsGuide),
        _ => Files.Noisy ?? ShippedFiles.Find(DigitsNoisy),
    };

    public void Dispose()
    {
        foreach (var guide in _guides.Values) guide.Dispose();
        if (_judge.IsValueCreated) _judge.Value.Dispose();
        if (_noisy.IsValueCreated) _noisy.Value.Dispose();
        if (_model.IsValueCreated) _model.Value.Dispose();
        Arena.Dispose();
    }
}
