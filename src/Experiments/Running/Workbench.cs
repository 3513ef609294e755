using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Experiments.Running;

/// <summary>Which files an experiment works with; what is left out is what comes with the tool.</summary>
internal sealed record ExperimentFiles
{
    /// <summary>The model, or several that an experiment compares.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    /// <summary>A weaker model of the same images, for autoguidance; without it, those rows are left out.</summary>
    public string? Weak { get; init; }

    /// <summary>The classifier of clean images that judges.</summary>
    public string? Judge { get; init; }

    /// <summary>The ResNet that guides.</summary>
    public string? Guide { get; init; }

    /// <summary>The classifier of noisy images that guides.</summary>
    public string? Noisy { get; init; }

    /// <summary>Real images and labels that the model never saw, in the IDX format.</summary>
    public (string Images, string Labels)? Reference { get; init; }

    /// <summary>Real images and labels that the model was trained on: a row of what a perfect generator would score.</summary>
    public (string Images, string Labels)? Training { get; init; }
}

/// <summary>The models and data of an experiment, each read when it is first asked for.</summary>
internal sealed class Workbench : IDisposable
{
    private const string Digits = "models/digits.safetensors", DigitsJudge = "models/digits-classifier.safetensors", DigitsGuide = "models/digits-resnet.safetensors",
        DigitsNoisy = "models/digits-noisy-classifier.safetensors";

    private readonly Dictionary<double, ResNetClassifier> _guides = [];
    private readonly Dictionary<int, DiffusionModel> _models = [];
    private readonly Lazy<DiffusionModel?> _weak;
    private readonly Lazy<NoisyClassifier> _noisy;
    private readonly Lazy<ImageDataset> _reference;
    private readonly Lazy<Judge> _judge;

    public Workbench(ExperimentFiles files, IKernels kernels)
    {
        (Files, Kernels, Arena) = (files, kernels, new Arena(kernels));
        _weak = new(() => files.Weak is null ? null : DiffusionModel.Load(files.Weak, kernels));
        _noisy = new(() => NoisyClassifier.Load(NoisyPath, kernels));
        _reference = new(() => files.Reference is { } given ? IdxFile.Load(given.Images, given.Labels) : ShippedDigits.LoadTest());
        _judge = new(() => new Judge(ImageClassifier.Load(JudgePath, kernels), _reference.Value));
    }

    public ExperimentFiles Files { get; }

    public IKernels Kernels { get; }

    /// <summary>Shared by all samplers.</summary>
    public Arena Arena { get; }

    public int ModelCount => Math.Max(1, Files.Models.Count);

    public DiffusionModel? Weak => _weak.Value;

    public NoisyClassifier Noisy => _noisy.Value;

    public Judge Judge => _judge.Value;

    /// <summary>Whether there are real images that the model was trained on.</summary>
    public bool HasReal => Files.Training is not null || Files.Reference is null;

    /// <summary>Those images; null where nobody gave them.</summary>
    public ImageDataset? Real => !HasReal ? null : Files.Training is { } given ? IdxFile.Load(given.Images, given.Labels) : ShippedDigits.LoadTrain();

    private string JudgePath => Files.Judge ?? ShippedFiles.Find(DigitsJudge);

    private string GuidePath => Files.Guide ?? ShippedFiles.Find(DigitsGuide);

    private string NoisyPath => Files.Noisy ?? ShippedFiles.Find(DigitsNoisy);

    /// <summary>The models that are compared, from 0.</summary>
    public DiffusionModel Model(int number)
    {
        if (!_models.TryGetValue(number, out var model)) _models[number] = model = DiffusionModel.Load(ModelPath(number), Kernels);
        return model;
    }

    /// <summary>A model in a report with several: by how often its training hid the label, if it says so, else by its file.</summary>
    public string ModelName(int number) => Model(number).Settings.NullProbability is { } p
        ? FormattableString.Invariant($"p_uncond = {p}") : Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(ModelPath(number)))) + "/" + Path.GetFileName(ModelPath(number));

    /// <summary>The ResNet that guides, its ReLUs made smooth by softplus of this beta; infinity keeps them.</summary>
    public ResNetClassifier Guide(double beta)
    {
        if (!_guides.TryGetValue(beta, out var guide))
            _guides[beta] = guide = ResNetClassifier.Load(GuidePath, Kernels, new ResNetGuideOptions { SoftplusBeta = beta });
        return guide;
    }

    /// <summary>The files that an experiment reads, by their roles.</summary>
    /// <exception cref="FileNotFoundException">A file that comes with the tool is not there.</exception>
    public IEnumerable<(string Role, string Path)> Paths(Experiment experiment)
    {
        for (int i = 0; i < ModelCount; i++) yield return (i == 0 ? "model" : $"model {i + 1}", ModelPath(i));
        yield return ("judge", JudgePath);
        if (!experiment.NeedsGuides) yield break;
        yield return ("guide", GuidePath);
        yield return ("noisy classifier", NoisyPath);
        if (Files.Weak is { } weak) yield return ("weak model", weak);
    }

    public void Dispose()
    {
        foreach (var guide in _guides.Values) guide.Dispose();
        if (_judge.IsValueCreated) _judge.Value.Dispose();
        if (_noisy.IsValueCreated) _noisy.Value.Dispose();
        if (_weak.IsValueCreated) _weak.Value?.Dispose();
        foreach (var model in _models.Values) model.Dispose();
        Arena.Dispose();
    }

    private string ModelPath(int number) => number < Files.Models.Count ? Files.Models[number] : ShippedFiles.Find(Digits);
}
