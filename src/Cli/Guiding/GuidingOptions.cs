using System.CommandLine;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Cli.Guiding;

/// <summary><c>--guider</c> and the options of each guider.</summary>
internal sealed class GuidingOptions
{
    private const double Most = 1e6, GreatestScoreSigma = 80;

    private static readonly string[] EluCd = ["elucd", "elucd-edm"],
        Classifiers = ["classifier", .. EluCd, "universal"], Gradients = [.. Classifiers, "clip"], Temperatures = [.. EluCd, "clip", "universal"], ByStrength = ["cfg", "icg", "autoguidance"];

    private readonly Option<string[]> _guider = new("--guider")
    {
        Description = "What steers the sampler; repeat it for several that combine. The list is below. [default: cfg]", HelpName = "NAME",
    };

    private readonly Option<Curve?> _when = CliOptions.OptionalChoice<Curve>(
        "--guide-when", "How strength or scale goes over the steps: full, or falling to 0 evenly or by half a cosine. Not of elucd-edm and elucd of latents, which have their own.",
        [("constant", Curve.Constant), ("linear", Curve.Linear), ("cosine", Curve.Cosine)], "constant");

    private readonly Option<string?> _weak = CliOptions.Text("--guide", "FILE", "autoguidance: the weak model.");
    private readonly Option<double?> _temperature = CliOptions.OptionalNumber("--temperature", "X", "noise-temperature: factor of the noise [default: 0.95].", 1e-6, Most);
    private readonly Option<double?> _scoreScale = CliOptions.OptionalNumber("--score-scale", "X", "score-scale: factor of the predicted noise [default: 1.05].", 1e-6, Most);
    private readonly Option<string?> _classifier = CliOptions.Text("--classifier", "FILE", "classifier: a classifier of noisy images; elucd, elucd-edm, universal: of clean ones. An ONNX file (.onnx) may be either.");
    private readonly Option<string?> _noisy = CliOptions.Text("--noisy-classifier", "FILE", "elucd and classifier together: the classifier of noisy images, --classifier being that of clean ones.");
    private readonly Option<double?> _noisyScale = CliOptions.OptionalNumber("--noisy-classifier-scale", "X", "elucd and classifier together: scale of the latter [default: 1].", -Most, Most);
    private readonly Option<int?> _change = CliOptions.OptionalInteger("--change-step", "N", "elucd and classifier together: the first step, counted from 0, that the noisy classifier leads in place of the clean one.", 1, 100_000);
    private readonly Option<double?> _scale = CliOptions.OptionalNumber("--classifier-scale", "X", "classifier, elucd, clip [default: 1; of latents 0.1], universal [default: 1], elucd-edm [default: 0.004].", -Most, Most);
    private readonly Option<double[]?> _target = CliOptions.Numbers("--target", "LIST", "Guiders with --classifier: the classifier's classes to lead to, by number, for models without classes; one of them for other models.", 0, 1e6);
    private readonly Option<double?> _tau1 = CliOptions.OptionalNumber("--tau1", "X", "elucd, elucd-edm, clip, universal: factor of the class's logit [default: 1].", -Most, Most);
    private readonly Option<double?> _tau2 = CliOptions.OptionalNumber("--tau2", "X", "elucd [default: 0.5], elucd-edm [default: 0], universal [default: 1], texts [default: 1 with --against, else 0]: factor of the logits in the normaliser.", -Most, Most);
    private readonly Option<double?> _sine = CliOptions.OptionalNumber("--sine", "X", "elucd, elucd-edm, clip: what the sine adds in the middle of the path [default: 0.3].", 0, Most);
    private readonly Option<double[]?> _recurrences = CliOptions.Numbers("--recurrences", "LIST", "How often each step is taken: one number, or one for each equal part of the steps, the noisiest first; multiplies the time [default: 1].", 1, 1000);
    private readonly Option<bool> _batchVariance = new("--batch-variance")
    {
        Description = "elucd, clip: the sine's variance is the greatest so far at the first value of the batch's first image, as in the released code, so that images depend on --batch; else the first step's upper bound.",
    };

    private readonly CombinationOptions _combination = new();
    private readonly PerturbationOptions _perturbation = new();
    private readonly ResNetOptions _resNet = new();
    private readonly ClipOptions _clip = new();
    private readonly Option<int?> _backwardSteps = CliOptions.OptionalInteger("--backward-steps", "N", "universal: steps on the predicted image itself, by Adam [default: 0].", 0, 100_000);
    private readonly Option<double?> _backwardRate = CliOptions.OptionalNumber("--backward-rate", "X", "universal: learning rate of these steps [default: 0.01].", 1e-9, 1e3);
    private readonly Option<double?> _backwardCutoff = CliOptions.OptionalNumber("--backward-cutoff", "X", "universal: images whose loss (minus the log-probability) is below it stay as they are.", -Most, Most);

    private enum Curve
    {
        Constant,
        Linear,
        Cosine,
    }

    private (Option Option, string[] Guiders)[] Owners =>
    [
        (_weak, ["autoguidance"]), .. _perturbation.Owners, .. _combination.Owners,
        (_temperature, ["noise-temperature"]), (_scoreScale, ["score-scale"]), (_classifier, Classifiers), (_scale, Gradients), (_target, Classifiers), (_tau1, Temperatures),
        (_tau2, Temperatures), (_sine, [.. EluCd, "clip"]), (_batchVariance, ["elucd", "clip"]), .. _resNet.Owners, (_backwardSteps, ["universal"]), (_backwardRate, ["universal"]), (_backwardCutoff, ["universal"]),
        .. _clip.All.Select(option => (option, ClipOptions.Guiders)),
        .. InTurn.Select(option => (option, (string[])["elucd and classifier"])),
    ];

    // Of elucd for the noisy steps and classifier for the clean ones (EluCD, table 2).
    private Option[] InTurn => [_noisy, _noisyScale, _change];

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        _guider.CompletionSources.Add([.. GuiderNames.All.Select(g => g.Name)]);
        command.Add(_guider);
        foreach (var (option, _) in Owners) command.Add(option);
        command.Add(_when);
        command.Add(_recurrences);
    }

    /// <summary>Where the CLIP scores along the steps go; null for nowhere.</summary>
    public string? ClipScores(ParseResult parsed) => parsed.GetValue(_clip.Scores);

    /// <summary>The options as they were written, by name.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="others">Options of the command that guide, too.</param>
    public IReadOnlyDictionary<string, string> Given(ParseResult parsed, IEnumerable<Option> others) => others.Concat([_guider, _when, _recurrences, .. Owners.Select(o => o.Option)])
        .Where(o => parsed.IsGiven(o)).ToDictionary(o => o.Name, o => string.Join(",", parsed.GetResult(o)!.Tokens.Select(t => t.Value)));

    /// <summary>What was asked for, checked as far as the command line alone tells.</summary>
    /// <exception cref="UsageException">An unknown guider, one named twice, an option without its guider, a guider without its model.</exception>
    public IReadOnlyList<string> NamesFrom(ParseResult parsed)
    {
        string[] names = parsed.IsGiven(_guider) ? parsed.GetValue(_guider)! : ["cfg"];
        foreach (string name in names)
            if (GuiderNames.All.All(g => g.Name != name))
                throw new UsageException($"--guider takes one of {string.Join(", ", GuiderNames.All.Select(g => g.Name))}; got '{name}'.");
        if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new UsageException($"--guider names {twice.Key} twice; once is enough.");
        foreach (var (option, guiders) in Owners)
            if (parsed.IsGiven(option) && !guiders.Any(names.Contains) && !(InTurn.Contains(option) && IsInTurn(names)))
                throw new UsageException($"{option.Name} belongs to {string.Join(", ", guiders)}; choose with --guider.");
        if (names.Count(CombinationOptions.Names.Contains) > 1)
            throw new UsageException($"{string.Join(" and ", names.Where(CombinationOptions.Names.Contains))} are two ways to combine predictions; choose one (--rescale goes with each of them).");
        if (names.Contains("autoguidance") && !parsed.IsGiven(_weak)) throw new UsageException("autoguidance needs a weak model: give it by --guide FILE.");
        string[] gradients = [.. names.Where(Gradients.Contains)];
        if (IsInTurn(names) && gradients.Length == 2)
        {
            if ((Option[])[_classifier, _noisy, _change] is var needed && needed.FirstOrDefault(option => !parsed.IsGiven(option)) is { } missing)
                throw new UsageException($"elucd and classifier lead in turn, by --classifier FILE and then, from --change-step N on, by --noisy-classifier FILE; {missing.Name} is missing.");
            return names;
        }
        if (gradients.Length > 1) throw new UsageException($"{string.Join(" and ", gradients)} lead each image to one class or text in different ways; choose one.");
        if (gradients.Length == 0) return names;
        bool byText = _clip.IsGiven(parsed), byClass = parsed.IsGiven(_classifier);
        if (gradients[0] == "universal" && byText == byClass) throw new UsageException("universal leads by a classifier or by a text: give one of --classifier FILE and --clip FILE.");
        if (gradients[0] == "universal" && !byText && _clip.All.FirstOrDefault(parsed.IsGiven) is { } stray) throw new UsageException($"{stray.Name} is for guidance by a text, and this one is by a classifier; leave it out.");
        if (gradients[0] == "clip" || byText) _clip.Require(parsed, gradients[0]);
        else if (!byClass) throw new UsageException($"{gradients[0]} needs a classifier: give it by --classifier FILE.");
        if (byText && parsed.IsGiven(_target)) throw new UsageException("--target names classes of a classifier, and this guidance leads to texts; give them by --prompt.");
        return names;
    }

    private static bool IsInTurn(IReadOnlyList<string> names) => names.Contains("elucd") && names.Contains("classifier");

    /// <summary>Whether --w and --scale say something to one of the guiders.</summary>
    public static bool ReadsStrength(IReadOnlyList<string> names, DiffusionModel model) =>
        names.Any(ByStrength.Contains) || names.Contains("elucd") && model.Settings.LatentScale is not null;

    /// <summary>The classes of <c>--target</c>; null when left out.</summary>
    /// <exception cref="UsageException">Targets that the model cannot have, or none where it needs one.</exception>
    public int[]? TargetsFrom(ParseResult parsed, IReadOnlyList<string> names, DiffusionModel model)
    {
        bool conditional = model.Settings.TrainedClasses.Any();
        if (_clip.IsGiven(parsed))
        {
            int prompts = _clip.Prompts(parsed).Length;
            return conditional && prompts > 1 ? throw new UsageException("The model has classes of its own: give one --prompt for all of them.") : [.. Enumerable.Range(0, prompts)];
        }
        if (!parsed.IsGiven(_target))
            return conditional || !names.Any(Classifiers.Contains) ? null : throw new UsageException("The model has no classes: say with --target which of the classifier's classes to lead to.");
        int[] targets = [.. parsed.GetValue(_target)!.Select(t => Whole(_target, t))];
        if (targets.Distinct().Count() < targets.Length) throw new UsageException("--target names a class twice; for more images of it use --count.");
        return conditional && targets.Length > 1 ? throw new UsageException("The model has classes of its own: give one --target for all of them, or none.") : targets;
    }

    /// <summary>The guidance; with the weak model or classifier that it reads.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="names">What <see cref="NamesFrom"/> found.</param>
    /// <param name="model">The model.</param>
    /// <param name="decoder">The decoder of a model of latents.</param>
    /// <param name="interval">Where guidance acts.</param>
    /// <param name="isAncestral">Whether the sampler has a mean, which a noisy classifier then moves (algorithm 1) in place of the score.</param>
    public GuidingSet Build(ParseResult parsed, IReadOnlyList<string> names, DiffusionModel model, LatentDecoder? decoder, GuidanceInterval interval, bool isAncestral)
    {
        var when = (parsed.GetValue(_when) switch
        {
            Curve.Linear => GuidanceSchedule.Linear(1, 0),
            Curve.Cosine => GuidanceSchedule.Cosine(1, 0),
            _ => GuidanceSchedule.Always,
        }).Inside(interval);
        var models = new List<IDisposable>();
        try
        {
            var guidance = new Guidance
            {
                Branches = [.. names.Select(name => BranchFrom(parsed, name, when, model, models)).OfType<Branch>()],
                Gradients = [.. names.Where(Gradients.Contains).Select(name => GradientFrom(parsed, name, when, model, decoder, isAncestral, models))],
                Combination = _combination.From(parsed, names),
                Threshold = _combination.ThresholdFrom(parsed, names),
                Rules = [.. names.Select(name => RuleFrom(parsed, name)).OfType<IRowRule>()],
                Recurrences = parsed.IsGiven(_recurrences) ? [.. parsed.GetValue(_recurrences)!.Select(r => Whole(_recurrences, r))] : [1],
            };
            return new GuidingSet(guidance, models) { WithoutSine = WithoutSine(parsed, guidance, models.OfType<ClipClassifier>().FirstOrDefault(), decoder) };
        }
        catch
        {
            foreach (var loaded in models) loaded.Dispose();
            throw;
        }
    }

    private Branch? BranchFrom(ParseResult parsed, string name, GuidanceSchedule when, DiffusionModel model, List<IDisposable> models)
    {
        switch (name)
        {
            case "cfg": return new NullBranch { When = when };
            case "icg": return new IndependentConditionBranch { When = when };
            case "autoguidance":
                var weak = DiffusionModel.Load(parsed.GetValue(_weak)!, model.Kernels);
                models.Add(weak);
                return new WeakBranch(weak) { When = when };
            default: return _perturbation.From(parsed, name, when);
        }
    }

    private IRowRule? RuleFrom(ParseResult parsed, string name) => name switch
    {
        "cfg++" => new CfgPlusPlusRule(),
        "noise-temperature" => new NoiseTemperatureRule(parsed.GetValue(_temperature) ?? 0.95),
        "score-scale" => new ScoreScaleRule(parsed.GetValue(_scoreScale) ?? 1.05),
        _ => null,
    };

    private GradientGuider GradientFrom(ParseResult parsed, string name, GuidanceSchedule when, DiffusionModel model, LatentDecoder? decoder, bool isAncestral, List<IDisposable> models)
    {
        string path = parsed.GetValue(_classifier)!;
        if (parsed.GetValue(_change) is { } change)
        {
            if (when.Interval != GuidanceInterval.Everywhere) throw new UsageException("--interval-steps and --interval-sigma do not go with --change-step, which says where each of the two classifiers leads; leave them out.");
            when = when.Inside(name == "classifier" ? GuidanceInterval.Steps(change, int.MaxValue) : GuidanceInterval.Steps(0, change - 1));
        }
        if (name == "classifier" && parsed.GetValue(_noisy) is { } second)
        {
            var later = ClassifierFile.LoadNoisy(second, model.Kernels, _resNet.Onnx(parsed, name));
            models.Add((IDisposable)later);
            return new ClassifierGuider(later, parsed.GetValue(_noisyScale) ?? 1, isAncestral ? GradientTarget.Mean : GradientTarget.Score) { When = when };
        }
        if (name == "classifier")
        {
            var noisy = ClassifierFile.LoadNoisy(path, model.Kernels, _resNet.Onnx(parsed, name));
            models.Add((IDisposable)noisy);
            // Where nearly nothing of the picture is left, the score form multiplies the classifier's errors by up to 20,000.
            if (!isAncestral && when.Interval == GuidanceInterval.Everywhere) when = when.Inside(GuidanceInterval.Sigmas(0, GreatestScoreSigma));
            return new ClassifierGuider(noisy, parsed.GetValue(_scale) ?? 1, isAncestral ? GradientTarget.Mean : GradientTarget.Score) { When = when };
        }
        bool edm = name == "elucd-edm", universal = name == "universal", byText = _clip.IsGiven(parsed);
        if ((edm || decoder is not null && !universal) && parsed.IsGiven(_when))
            throw new UsageException($"--guide-when does not go with {name}{(edm ? "" : " of latents")}, which has a schedule of its own (--sine); leave it out.");
        int channels = decoder?.Channels ?? model.Network.Config.InChannels;
        IClassifierNetwork clean = byText
            ? _clip.Load(parsed, model.Kernels, channels)
            : ClassifierFile.LoadClean(path, model.Kernels, _resNet.From(parsed, name, channels), _resNet.Onnx(parsed, name), _resNet.Given(parsed));
        models.Add((IDisposable)clean);
        if (universal)
            return new UniversalGuider(
                new ClassifierObjective(clean, parsed.GetValue(_tau1) ?? 1, parsed.GetValue(_tau2) ?? (byText ? _clip.MarginalTemperature(parsed) : 1), decoder),
                new UniversalSettings { ForwardWeight = parsed.GetValue(_scale) ?? 1, Backward = BackwardFrom(parsed) }) { When = when };
        var settings = SettingsFrom(parsed, edm ? EluCdSettings.Edm : decoder is null ? byText ? EluCdSettings.Clip : EluCdSettings.Ddpm : EluCdSettings.Dit);
        if (edm) return new EluCdEdmGuider(clean, settings) { When = new EluCdEdmGuider(clean, settings).When.Inside(when.Interval) };
        return decoder is null ? new EluCdGuider(clean, settings) { When = when } : LatentGuider(clean, decoder, settings, when.Interval);
    }

    private EluCdSettings SettingsFrom(ParseResult parsed, EluCdSettings preset) => preset with
    {
        Scale = parsed.GetValue(_scale) ?? preset.Scale,
        JointTemperature = parsed.GetValue(_tau1) ?? preset.JointTemperature,
        MarginalTemperature = parsed.GetValue(_tau2) ?? (_clip.IsGiven(parsed) ? _clip.MarginalTemperature(parsed) : preset.MarginalTemperature),
        Sine = parsed.GetValue(_sine) ?? preset.Sine,
        ReadsVarianceOfBatch = parsed.GetValue(_batchVariance),
    };

    private BackwardGuidance? BackwardFrom(ParseResult parsed)
    {
        int steps = parsed.GetValue(_backwardSteps) ?? 0;
        if (steps == 0 && (parsed.IsGiven(_backwardRate) || parsed.IsGiven(_backwardCutoff)))
            throw new UsageException("--backward-rate and --backward-cutoff say how the steps of --backward-steps are taken, and there are none; give their number.");
        return steps == 0 ? null : new BackwardGuidance(steps, parsed.GetValue(_backwardRate) ?? 0.01, parsed.GetValue(_backwardCutoff));
    }

    private static EluCdLatentGuider LatentGuider(IClassifierNetwork classifier, LatentDecoder decoder, EluCdSettings settings, GuidanceInterval interval) =>
        new(classifier, decoder, settings) { When = new EluCdLatentGuider(classifier, decoder, settings).When.Inside(interval) };

    private Guidance? WithoutSine(ParseResult parsed, Guidance guidance, ClipClassifier? clip, LatentDecoder? decoder)
    {
        if (clip is null || guidance.Gradients[0] is UniversalGuider) return null;
        var settings = SettingsFrom(parsed, decoder is null ? EluCdSettings.Clip : EluCdSettings.Dit);
        if (settings.Sine == 0) return null;
        settings = settings with { Sine = 0 };
        var when = guidance.Gradients[0].When;
        return guidance with { Gradients = [decoder is null ? new EluCdGuider(clip, settings) { When = when } : LatentGuider(clip, decoder, settings, when.Interval)] };
    }

    private static int Whole(Option option, double number) =>
        number == Math.Floor(number) ? (int)number : throw new UsageException(FormattableString.Invariant($"{option.Name} takes whole numbers; got {number}."));
}
