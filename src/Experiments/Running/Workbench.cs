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
        _noisy = new(() => NoisyClassifier.Load(PathOf("noisy classifier"), kernels));
        _reference = new(() => files.Reference is { } given ? IdxFile.Load(given.Images, given.Labels) : ShippedDigits.LoadTest());
        _judge = new(() => new Judge(ImageClassifier.Load(PathOf("judge"), kernels), _reference.Value));
    }

    public ExperimentFiles Files { get; }

    public IKernels Kernels { get; }

    /// <summary>Shared by all samplers.</summary>
    public Arena Arena { get; }

    public int ModelCount => Math.Max(1, Files.Models.Count);

    public DiffusionModel? Weak => _weak.Value;

    public NoisyClassifier Noisy => _noisy.Value;

    public Judge Judge => _judge.Value;

    /// <summary>Real images that the model was trained on; null where nobody gave them.</summary>
    public ImageDataset? Real => Files.Training is { } given ? IdxFile.Load(given.Images, given.Labels) : Files.Reference is null ? ShippedDigits.LoadTrain() : null;

    /// <summary>Whether there are such: <see cref="Real"/> reads them.</summary>
    public bool HasReal => Files.Training is not null || Files.Reference is null;

    /// <summary>The models that are compared, from 0.</summary>
    public DiffusionModel Model(int number)
    {
        if (!_models.TryGetValue(number, out var model)) _models[number] = model = DiffusionModel.Load(PathOf(ModelRole(number)), Kernels);
        return model;
    }

    /// <summary>A model in a report with several: by how often its training hid the label, if it says so, else by its file.</summary>
    public string ModelName(int number) => Model(number).Settings.NullProbability is { } p
        ? FormattableString.Invariant($"p_uncond = {p}") : Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(PathOf(ModelRole(number))))) + "/" + Path.GetFileName(PathOf(ModelRole(number)));

    /// <summary>The ResNet that guides, its ReLUs made smooth by softplus of this beta; infinity keeps them.</summary>
    public ResNetClassifier Guide(double beta)
    {
        if (!_guides.TryGetValue(beta, out var guide))
            _guides[beta] = guide = ResNetClassifier.Load(PathOf("guide"), Kernels, new ResNetGuideOptions { SoftplusBeta = beta });
        return guide;
    }

    /// <summary>Roles of the files that an experiment reads.</summary>
    public IEnumerable<string> Roles(Experiment experiment) =>
        [.. Enumerable.Range(0, ModelCount).Select(ModelRole), "judge", .. experiment.NeedsGuides ? ["guide", "noisy classifier"] : Array.Empty<string>(), .. experiment.NeedsGuides && Files.Weak is not null ? ["weak model"] : Array.Empty<string>()];

    /// <summary>Where the file of a role is.</summary>
    /// <exception cref="FileNotFoundException">The file that comes with the tool is not there.</exception>
    public string PathOf(string role) => role switch
    {
        "weak model" => Files.Weak!,
        _ when role.StartsWith("model", StringComparison.Ordinal) => Enumerable.Range(0, Files.Models.Count).Where(i => ModelRole(i) == role).Select(i => Files.Models[i]).FirstOrDefault()
            ?? ShippedFiles.Find(Digits),
        "judge" => Files.Judge ?? ShippedFiles.Find(DigitsJudge),
        "guide" => Files.Guide ?? ShippedFiles.Find(DigitsGuide),
        _ => Files.Noisy ?? ShippedFiles.Find(DigitsNoisy),
    };

    public void Dispose()
    {
        foreach (var guide in _guides.Values) guide.Dispose();
        if (_judge.IsValueCreated) _judge.Value.Dispose();
        if (_noisy.IsValueCreated) _noisy.Value.Dispose();
        if (_weak.IsValueCreated) _weak.Value?.Dispose();
        foreach (var model in _models.Values) model.Dispose();
        Arena.Dispose();
    }

    private static string ModelRole(int number) => number == 0 ? "model" : $"model {number + 1}";
}
