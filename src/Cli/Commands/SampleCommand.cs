using System.CommandLine;
using System.Diagnostics;
using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion sample</c>: draws images with classifier-free guidance.</summary>
internal sealed class SampleCommand
{
    private const string Description = "Draw images with a trained model, guided towards the classes you ask for.";

    private const string Details =
        """
        Examples:
          nativediffusion sample --out digits.png
              one row per class, one column per guidance strength, with the model that comes with the tool
          nativediffusion sample --classes 3,7 --w 2 --count 8 --out sevens.png
              eight threes and eight sevens
          nativediffusion sample --w 2 --count 100 --out digits.npz
              1,000 images and their labels as NumPy arrays
          nativediffusion sample --model runs/quick/model.safetensors --sampler ddim --steps 50 --out images/
              one PNG file per image, with a model of your own
          nativediffusion sample --model DiT-XL-2-256x256.pt --autoencoder vae.safetensors --classes 207,360 --out dogs.png
              a published model, sampled as its authors do; for latent diffusion with its autoencoder
          nativediffusion sample --model ema_0.9999_500000.pt --heads 4 --schedule cosine --diffusion-steps 4000 --rescale-timesteps yes
              what the authors gave as flags and the file does not say; info shows what is guessed without them
          nativediffusion sample --model 256x256_diffusion_uncond.pt --guider clip --clip ViT-L-14-336px.pt --clip-vocabulary bpe_simple_vocab_16e6.txt.gz --prompt "a red fox" --sampler ddpm --steps 250 --out fox.png
              a text in place of a class, by CLIP; --clip-scores FILE.csv shows how the images approach it
        """;

    private readonly Option<string?> _model = CliOptions.Text(
        "--model", "FILE", "The model: a file that train wrote, or a published checkpoint (ADM, EDM, DiT). Left out: the digits that come with the tool.");

    private readonly Option<string?> _classes = CliOptions.Text(
        "--classes", "LIST", "Classes to draw, by name or number, separated by commas (0,1,7); or all. [default: all, or eight of them if there are more than 40]");

    private readonly Option<int> _count = CliOptions.Integer("--count", "N", "Images per class and strength.", 1, 1, 10_000_000);

    private readonly Option<double[]?> _strengths = CliOptions.Numbers(
        "--w", "LIST",
        "Guidance strengths w of the paper, separated by commas: 0 follows the class without amplifying it, larger is more typical and less varied. "
        + "[default: 0,0.5,1,2,4 for a grid, 2 for files]", -1, 1000);

    private readonly Option<double[]?> _scales = CliOptions.Numbers(
        "--scale", "LIST", "Guidance scales s = 1 + w, the convention of most other tools; instead of --w.", 0, 1001);

    private readonly Option<SamplerKind?> _sampler = CliOptions.OptionalChoice(
        "--sampler",
        "The sampler. In few steps: dpm++2m and unipc at one evaluation a step, heun and dpm2 at two. With fresh noise, for more steps: ddpm, alg2, euler-a, "
        + "dpm++2m-sde and dpm++3m-sde at one, dpm2-a, dpm++2s-a and dpm++sde at two. ddim can be inverted; euler is the simplest; lms looks back four steps.", OptionWords.Samplers, "that of the published model, else dpm++2m");

    private readonly Option<int?> _steps = CliOptions.OptionalInteger(
        "--steps", "N", "Steps from noise to image. [default: those of the published model with its own sampler, else 20]", 1, 100_000);

    private readonly Option<SpacingKind?> _spacing = CliOptions.OptionalChoice(
        "--spacing", "How the noise levels are spaced.", OptionWords.Spacings, "uniform for ddpm, alg2, ddim, dpm++2m and unipc, karras for the others and for models in EDM's sigma");

    private readonly Option<double?> _rho = CliOptions.OptionalNumber(
        "--rho", "X", "Exponent of --spacing karras [default: 7] and polyexponential [default: 1]: larger puts more levels at the clean end.", 1e-3, 1e3);

    private readonly Option<int?> _stepsOffset = CliOptions.OptionalInteger(
        "--steps-offset", "N", "Added to the timesteps of --spacing leading; settings of Stable Diffusion say 1. [default: 0]", 0, 100_000);

    private readonly Option<bool> _zeroTerminalSnr = new("--zero-terminal-snr")
    {
        Description = "Take the schedule stretched to pure noise, for a model of v or x0 that was trained so; with --spacing trailing.",
    };

    private readonly Option<double?> _eta = CliOptions.OptionalNumber("--eta", "X", "Fresh noise of ddim [default: 0] and of the samplers whose names end in -a or sde [default: 1].", 0, 1);
    private readonly Option<double?> _v = CliOptions.OptionalNumber("--v", "X", "Variance interpolation of alg2 [default: 0.3].", 0, 1);

    private readonly Option<AncestralVariance?> _variance = CliOptions.OptionalChoice(
        "--variance", "Variance of ddpm.", OptionWords.Variances, "learned-range if the model has learned it, else small");

    private readonly Option<double?> _churn = CliOptions.OptionalNumber("--churn", "X", "Noise that heun, dpm2 or euler adds back over all steps [default: 0].", 0, 1000);

    private readonly Option<ulong> _seed = CliOptions.Seed("the noise");
    private readonly Option<bool> _noClip = new("--no-clip") { Description = "Do not clamp the predicted clean image to the range of pixels." };

    private readonly Option<(int First, int Last)?> _intervalSteps = CliOptions.WholeRange(
        "--interval-steps", "A:B", "Guide from step A to step B only; 0 is the noisiest.");

    private readonly Option<(double First, double Last)?> _intervalSigma = CliOptions.Range(
        "--interval-sigma", "LO:HI", "Guide at noise levels sigma above LO and up to HI only.");

    private readonly Option<bool> _raw = new("--raw") { Description = "Use the raw weights of a file that has their moving average as well." };
    private readonly Option<int?> _batch = CliOptions.OptionalInteger(
        "--batch", "N", "Most images at once: less memory, or another speed. Does not change the images. [default: as many as are fastest for the model]", 1, 65536);

    private readonly Option<string?> _autoencoder = CliOptions.Text(
        "--autoencoder", "FILE", "For a model of latents (DiT), the autoencoder that makes them pictures: a published checkpoint.");

    private readonly GuidingOptions _guiding = new();
    private readonly NetworkOptions _network = new();
    private readonly DeviceOption _device = new();

    private readonly Option<string> _out = new("--out")
    {
        Description = "What to write: FILE.png (one grid), FILE.npz (arrays arr_0 u8 NHWC and, of classes, arr_1 labels) or a folder (one PNG file per image). Beside it, FILE.json (in a folder guidance.json) says what made the images.",
        HelpName = "PATH", DefaultValueFactory = _ => "samples.png",
    };

    private readonly Option<SampleFormat?> _format = CliOptions.OptionalChoice(
        "--format", "Kind of output: one grid, single PNG files, or arrays.",
        [("grid", SampleFormat.Grid), ("png", SampleFormat.Files), ("npz", SampleFormat.Npz)], "by the ending of --out");

    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var sample = new SampleCommand();
        var command = new CliCommand("sample", Description, Details + Environment.NewLine + Environment.NewLine + GuiderNames.Help)
        {
            sample._model, sample._classes, sample._count, sample._strengths, sample._scales, sample._sampler, sample._steps, sample._spacing, sample._rho, sample._stepsOffset, sample._zeroTerminalSnr,
            sample._eta, sample._v, sample._variance, sample._churn, sample._seed, sample._noClip, sample._intervalSteps, sample._intervalSigma, sample._raw,
            sample._batch, sample._autoencoder, sample._device.Device, sample._device.Threads, sample._device.Math, sample._out, sample._format, sample._json,
        };
        sample._guiding.AddTo(command);
        sample._network.AddTo(command);
        command.SetAction(parsed => sample.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        if (parsed.IsGiven(_strengths) && parsed.IsGiven(_scales)) throw new UsageException("--w and --scale are two names for one thing; give one of them.");
        if (parsed.IsGiven(_intervalSteps) && parsed.IsGiven(_intervalSigma))
            throw new UsageException("--interval-steps and --interval-sigma exclude each other; give one of them.");
        var guiders = _guiding.NamesFrom(parsed);
        string path = parsed.GetValue(_out)!;
        var format = parsed.GetValue(_format) ?? SampleOutput.FormatOf(path);
        string modelPath = parsed.GetValue(_model) ?? ShippedFiles.Find("models/digits.safetensors");
        using var kernels = _device.Open(parsed);
        using var model = DiffusionModel.Load(modelPath, kernels, parsed.GetValue(_raw) ? WeightChoice.Raw : WeightChoice.Average, _network.From(parsed));
        if (_network.Note(modelPath, model.Assumptions) is { } note) context.Error.WriteLine(note);
        bool grid = format == SampleFormat.Grid;
        var (strengths, scales) = (ListFrom(parsed, _strengths), ListFrom(parsed, _scales));
        if (guiders.Contains("fdg") && GuidingOptions.ReadsStrength(guiders, model)) strengths = CombinationOptions.FrequencyStrengths(strengths, scales, grid);
        var selection = SampleSelection.Create(
            model, parsed.GetValue(_classes), parsed.GetValue(_count), strengths, scales, grid, GuidingOptions.ReadsStrength(guiders, model), guiders.Contains("cfg"), _guiding.TargetsFrom(parsed, guiders, model));
        var settings = SettingsFrom(parsed, model);
        using var arena = new Arena(kernels);
        using var decoder = DecoderFrom(parsed, model, arena);
        using var guiding = _guiding.Build(parsed, guiders, model, decoder, IntervalFrom(parsed), settings.Kind == SamplerKind.Ancestral);
        var scores = _guiding.ClipScores(parsed) is { } scorePath ? new ClipScores(scorePath, guiding, selection.Requests, decoder) : null;
        var options = new GuidedSamplerOptions
        {
            Batch = parsed.GetValue(_batch) is { } most ? Math.Min(most, selection.Requests.Count) : null,
            Seed = parsed.GetValue(_seed),
            Guidance = guiding.Guidance,
            Observer = scores is null ? null : scores.Observe,
        };
        using var sampler = new GuidedSampler(model, settings, options, arena);
        var output = new SampleOutput(path, format, selection);
        output.RequireWritable(Blank(model, decoder));

        long start = Stopwatch.GetTimestamp();
        int evaluations = 0;
        ConsoleProgress.Run(context, "pass", 0, sampler.Evaluations(selection.Requests.Count) * (scores?.Runs ?? 1), progress =>
        {
            var report = new ImmediateProgress<SamplingProgress>(p => progress.Report(evaluations = p.Evaluation, $"{p.Images} of {selection.Requests.Count} images"));
            output.Images = Sample(sampler, model, decoder, selection.Requests, report, context.Cancellation);
            scores?.Compare(model, settings, options, arena, report, context.Cancellation);
        });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        output.Write();
        scores?.Write();
        output.WriteSideFile(new
        {
            Guidance = guiding.Guidance.ToString(), Options = _guiding.Given(parsed, [_strengths, _scales, _intervalSteps, _intervalSigma]), Model = modelPath,
            Strengths = selection.Strengths.Select(s => s.W), Sampler = OptionWords.Of(settings.Kind), Spacing = OptionWords.Of(settings.SpacingFor(model)), sampler.Table.Steps,
            Seed = parsed.GetValue(_seed),
        });

        int images = selection.Requests.Count;
        if (parsed.GetValue(_json))
            JsonReport.Write(context.Out, new
            {
                Out = path, Format = format, Model = modelPath, Images = images, Classes = selection.Classes.Select(c => c.Name),
                Strengths = selection.Strengths.Select(s => s.W), Guidance = guiding.Guidance.ToString(), Sampler = OptionWords.Of(settings.Kind), Spacing = OptionWords.Of(settings.SpacingFor(model)), sampler.Table.Steps,
                Passes = evaluations, Seed = parsed.GetValue(_seed), Seconds = Math.Round(seconds, 3), ImagesPerS = Math.Round(images / seconds, 3),
            });
        else
            context.Out.WriteLine(FormattableString.Invariant(
                $"{images} images in {seconds:0.0} s ({images / seconds:0.0} images/s), {OptionWords.Of(settings.Kind)}, {sampler.Table.Steps} steps of spacing {OptionWords.Of(settings.SpacingFor(model))}: {path}"));
        return ExitCode.Success;
    }

    private LatentDecoder? DecoderFrom(ParseResult parsed, DiffusionModel model, Arena arena)
    {
        string? path = parsed.GetValue(_autoencoder);
        if (model.Settings.LatentScale is null)
            return path is null ? null : throw new UsageException("--autoencoder is for models of latents (DiT); this one makes images.");
        return path is null
            ? throw new UsageException("This model makes latents, not images: give the autoencoder that it was trained with by --autoencoder FILE.")
            : LatentDecoder.Load(path, model, arena);
    }

    private static IReadOnlyList<Image> Sample(
        GuidedSampler sampler, DiffusionModel model, LatentDecoder? decoder, IReadOnlyList<SampleRequest> requests, IProgress<SamplingProgress> progress,
        CancellationToken cancellation)
    {
        if (decoder is null) return sampler.Sample(requests, progress, cancellation);
        var images = new Image[requests.Count];
        sampler.Sample(requests, (i, latents) => images[i] = decoder.Decode(latents, model.Settings.PixelOffset), progress, cancellation);
        return images;
    }

    private static void RequireSampler(ParseResult parsed, Option option, bool fits, string samplers)
    {
        if (parsed.IsGiven(option) && !fits) throw new UsageException($"{option.Name} belongs to the sampler {samplers}; choose it with --sampler.");
    }

    // What is given replaces what the model came with; another sampler than its own starts from the general default.
    private SamplerSettings SettingsFrom(ParseResult parsed, DiffusionModel model)
    {
        var own = model.Settings.Sampler ?? new SamplerSettings();
        var kind = parsed.GetValue(_sampler) ?? own.Kind;
        RequireSampler(
            parsed, _eta,
            kind is SamplerKind.Ddim or SamplerKind.EulerAncestral or SamplerKind.Dpm2Ancestral or SamplerKind.DpmSolver2SAncestral or SamplerKind.DpmSolverSde
                or SamplerKind.DpmSolver2MSde or SamplerKind.DpmSolver3MSde,
            "ddim, euler-a, dpm2-a, dpm++2s-a, dpm++sde, dpm++2m-sde and dpm++3m-sde");
        RequireSampler(parsed, _v, kind == SamplerKind.Algorithm2, "alg2");
        RequireSampler(parsed, _variance, kind == SamplerKind.Ancestral, "ddpm");
        RequireSampler(parsed, _churn, kind is SamplerKind.Heun or SamplerKind.Dpm2 or SamplerKind.Euler, "heun, dpm2 and euler");
        var settings = kind == own.Kind ? own : new SamplerSettings { Kind = kind, Clip = own.Clip };
        return settings with
        {
            Steps = parsed.GetValue(_steps) ?? settings.Steps,
            Spacing = parsed.GetValue(_spacing) ?? settings.Spacing,
            Rho = parsed.GetValue(_rho) ?? (parsed.IsGiven(_spacing) ? null : settings.Rho),
            StepsOffset = parsed.GetValue(_stepsOffset) ?? settings.StepsOffset,
            ZeroTerminalSnr = parsed.GetValue(_zeroTerminalSnr) || settings.ZeroTerminalSnr,
            Variance = parsed.GetValue(_variance) ?? settings.Variance,
            Eta = parsed.GetValue(_eta) ?? settings.Eta,
            V = parsed.GetValue(_v) ?? settings.V,
            Churn = parsed.GetValue(_churn) is { } churn ? settings.Churn with { Amount = churn } : settings.Churn,
            Clip = settings.Clip && !parsed.GetValue(_noClip),
        };
    }

    // The parser makes an empty list of one that was left out.
    private static double[]? ListFrom(ParseResult parsed, Option<double[]?> option) => parsed.IsGiven(option) ? parsed.GetValue(option) : null;

    private GuidanceInterval IntervalFrom(ParseResult parsed)
    {
        if (parsed.GetValue(_intervalSteps) is { } steps) return GuidanceInterval.Steps(steps.First, steps.Last);
        return parsed.GetValue(_intervalSigma) is { } sigmas ? GuidanceInterval.Sigmas(sigmas.First, sigmas.Last) : GuidanceInterval.Everywhere;
    }

    private static Image Blank(DiffusionModel model, LatentDecoder? decoder)
    {
        if (decoder is not null) return new Image(decoder.ImageSize, decoder.ImageSize, decoder.Channels, new byte[decoder.ImageSize * decoder.ImageSize * decoder.Channels]);
        var network = model.Network.Config;
        int size = model.Settings.DataSize ?? network.ImageSize;
        return new Image(size, size, network.InChannels, new byte[size * size * network.InChannels]);
    }
}
