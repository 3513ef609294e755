using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
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
          nativediffusion sample --like sevens.png --count 16 --out more.png
              as another picture, whose file says how it was made
          nativediffusion sample --classes 3 --to-class 8 --count 9 --w 2 --out between.png
              the way from one class to another; --to-seed from one image to another
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
        "--model", "FILE", "The model: a file that train wrote, a published checkpoint (ADM, EDM, DiT, DDPM), or a folder with one, as diffusers lays it out. Left out: the digits that come with the tool.");

    private readonly Option<string?> _classes = CliOptions.Text(
        "--classes", "LIST", "Classes to draw, by name or number, separated by commas (0,1,7); or all. [default: all, or eight of them if there are more than 40]");

    private readonly Option<int> _count = CliOptions.Integer("--count", "N", "Images per class and strength.", 1, 1, 10_000_000);

    private readonly Option<double[]?> _strengths = CliOptions.Numbers(
        "--w", "LIST",
        "Guidance strengths w of the paper, separated by commas: 0 follows the class without amplifying it, larger is more typical and less varied. "
        + "[default: 0,0.5,1,2,4 for a grid, 2 for files]", -1, 1000);

    private readonly Option<double[]?> _scales = CliOptions.Numbers(
        "--scale", "LIST", "Guidance scales s = 1 + w, the convention of most other tools; instead of --w.", 0, 1001);

    private readonly SamplerChoice _sampler = new();
    private readonly Option<ulong?> _seed = CliOptions.OptionalSeed("--seed", "Seed of the noise: the same seed gives the same images. [default: a random one, which is printed]");
    private readonly Option<int> _first = CliOptions.Integer("--first", "N", "Number of the first image: with the same seed, --first 100 goes on where --count 100 ended.", 0, 0, 1 << 20);
    private readonly BetweenOptions _between = new();

    private readonly Option<string?> _like = CliOptions.Text(
        "--like", "FILE.png", "Draw as a picture that sample made: with its seed, model, classes, guidance, sampler and steps, but for what is given beside it.");

    private readonly Option<string?> _preview = CliOptions.Text("--preview", "FILE.png", "Write the grid anew every second, as the model sees it at that step.");
    private readonly Option<string?> _animation = CliOptions.Text("--animation", "FILE.png", "Write an animated PNG of the grid: what the model takes the images for, step by step.");

    private readonly Option<(int First, int Last)?> _intervalSteps = CliOptions.WholeRange(
        "--interval-steps", "A:B", "Guide from step A to step B only; 0 is the noisiest.");

    private readonly Option<(double First, double Last)?> _intervalSigma = CliOptions.Range(
        "--interval-sigma", "LO:HI", "Guide at noise levels sigma above LO and up to HI only.");

    private readonly Option<bool> _raw = new("--raw") { Description = "Use the raw weights of a file that has their moving average as well." };
    private readonly Option<int?> _batch = CliOptions.OptionalInteger(
        "--batch", "N", "Most images at once: less memory, or another speed. Does not change the images. [default: as many as are fastest for the model]", 1, 65536);

    private readonly Option<string?> _autoencoder = CliOptions.Text(
        "--autoencoder", "FILE", "For a model of latents (DiT), the autoencoder that makes them pictures: a published checkpoint, or a folder of diffusers'. [default: the one beside it in its pipeline]");

    private readonly GuidingOptions _guiding = new();
    private readonly NetworkOptions _network = new();
    private readonly DeviceOption _device = new();

    private readonly Option<string> _out = new("--out")
    {
        Description = "What to write: FILE.png (one grid), FILE.npz (arrays arr_0 u8 NHWC and, of classes, arr_1 labels) or a folder (one PNG file per image, in one sub-folder for each class). Beside it, FILE.json (in a folder guidance.json) says what made the images.",
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
            sample._model, sample._classes, sample._count, sample._strengths, sample._scales,
        };
        foreach (var option in sample._sampler.All) command.Add(option);
        foreach (var option in (Option[])
        [
            sample._seed, sample._first, sample._like, sample._intervalSteps, sample._intervalSigma, sample._raw,
            sample._batch, sample._autoencoder, sample._device.Device, sample._device.Threads, sample._device.Math, sample._out, sample._format, sample._preview, sample._animation, sample._json, .. sample._between.All,
        ])
            command.Add(option);
        sample._guiding.AddTo(command);
        sample._network.AddTo(command);
        command.SetAction(parsed => sample.Run(parsed, context));
        return command;
    }

    // What says where results go, or how fast they come, is no part of how images are made.
    private IReadOnlyList<Option> Unrecorded =>
        [_out, _format, _json, _like, _preview, _animation, _batch, _device.Device, _device.Threads];

    private int Run(ParseResult parsed, CliContext context)
    {
        if (parsed.GetValue(_like) is { } like) return RunLike(parsed, like, context);
        if (parsed.IsGiven(_strengths) && parsed.IsGiven(_scales)) throw new UsageException("--w and --scale are two names for one thing; give one of them.");
        if (parsed.IsGiven(_intervalSteps) && parsed.IsGiven(_intervalSigma))
            throw new UsageException("--interval-steps and --interval-sigma exclude each other; give one of them.");
        var guiders = _guiding.NamesFrom(parsed);
        string path = parsed.GetValue(_out)!;
        var format = parsed.GetValue(_format) ?? SampleOutput.FormatOf(path);
        string modelPath = parsed.GetValue(_model) ?? ShippedFiles.Find("models/digits.safetensors");
        using var kernels = _device.Open(parsed);
        using var model = ConsoleProgress.Wait(
            context, $"reading {modelPath}", () => DiffusionModel.Load(modelPath, kernels, parsed.GetValue(_raw) ? WeightChoice.Raw : WeightChoice.Average, _network.From(parsed)));
        if (_network.Note(modelPath, model.Assumptions) is { } note) context.Error.WriteLine(note);
        foreach (string remark in model.Remarks) context.Error.WriteLine($"note: {remark}.");
        bool grid = format == SampleFormat.Grid;
        var (strengths, scales) = (ListFrom(parsed, _strengths), ListFrom(parsed, _scales));
        if (guiders.Contains("fdg") && GuidingOptions.ReadsStrength(guiders, model)) strengths = CombinationOptions.FrequencyStrengths(strengths, scales, grid);
        var selection = SampleSelection.Create(
            model, parsed.GetValue(_classes), parsed.GetValue(_count), strengths, scales, grid, GuidingOptions.ReadsStrength(guiders, model), guiders.Contains("cfg"), _guiding.TargetsFrom(parsed, guiders, model), parsed.GetValue(_first));
        var settings = _sampler.From(parsed, model);
        using var arena = new Arena(kernels);
        using var decoder = DecoderFrom(parsed, model, arena);
        using var guiding = _guiding.Build(parsed, guiders, model, decoder, IntervalFrom(parsed), settings.Kind == SamplerKind.Ancestral);
        var output = new SampleOutput(path, format, selection);
        var blank = Blank(model, decoder);
        output.RequireWritable(blank);
        string? hash = SampleProvenance.HashOf(modelPath);
        var recordedStrengths = GuidingOptions.ReadsStrength(guiders, model) && !guiders.Contains("fdg") ? selection : null;
        ulong seed = parsed.GetValue(_seed) ?? (ulong)Random.Shared.NextInt64(1L << 32);
        using var store = KeepsImages(parsed, guiding.Guidance) && output.StorePath is { } storePath
            ? SampleStore.Open(storePath, SampleProvenance.RunOf(hash, Recorded(parsed, 0, recordedStrengths), parsed.IsGiven(_seed)), seed, selection.Requests.Count, blank) : null;
        seed = store?.Seed ?? seed;
        if (store is { Images.Count: > 0 }) context.Error.WriteLine($"going on with {store.Images.Count} of {selection.Requests.Count} images that an interrupted run has made (seed {seed}).");
        else output.RequireNew(context.Error);
        (selection, var guidance) = _between.Apply(parsed, model, selection, guiding.Guidance, seed);
        output = new SampleOutput(path, format, selection);
        var scores = _guiding.ClipScores(parsed) is { } scorePath ? new ClipScores(scorePath, guiding, selection.Requests, decoder) : null;
        var frames = parsed.GetValue(_preview) is null && parsed.GetValue(_animation) is null
            ? null : new SampleFrames(model, decoder, selection, blank, parsed.GetValue(_preview), parsed.GetValue(_animation));
        var options = new GuidedSamplerOptions
        {
            Batch = parsed.GetValue(_batch) is { } most ? Math.Min(most, selection.Requests.Count) : null,
            Seed = seed,
            Guidance = guidance,
            Observer = (Action<SamplerObservation>?)(scores is null ? null : scores.Observe) + (frames is null ? null : frames.Observe),
        };
        using var sampler = ConsoleProgress.Wait(context, "planning an evaluation", () => new GuidedSampler(model, settings, options, arena));
        frames?.Require(sampler.Table.Steps);

        var made = new SampleProvenance
        {
            Model = modelPath, ModelHash = hash, Seed = seed, Guidance = guidance.ToString(), Sampler = OptionWords.Of(settings.Kind),
            Spacing = OptionWords.Of(settings.SpacingFor(model)), Steps = sampler.Table.Steps, Options = Recorded(parsed, seed, recordedStrengths),
        };
        long start = Stopwatch.GetTimestamp();
        foreach (var (position, image) in store?.Images ?? []) output.Add(position, image, made);
        int[] left = [.. Enumerable.Range(0, selection.Requests.Count).Where(i => store?.Images.ContainsKey(i) != true)];
        int evaluations = 0, before = selection.Requests.Count - left.Length;
        try
        {
            ConsoleProgress.Run(context, "pass", 0, sampler.Evaluations(left.Length) * (scores?.Runs ?? 1), progress =>
            {
                var report = new ImmediateProgress<SamplingProgress>(p => progress.Report(evaluations = p.Evaluation, $"{before + p.Images} of {selection.Requests.Count} images"));
                sampler.Sample([.. left.Select(i => selection.Requests[i])], (i, pixels) =>
                {
                    var image = ToImage(pixels, model, decoder);
                    store?.Add(left[i], image);
                    output.Add(left[i], image, made);
                }, report, context.Cancellation);
                scores?.Compare(model, settings, options, arena, report, context.Cancellation);
            });
        }
        catch (Exception) when (store is { Images.Count: > 0 })
        {
            context.Error.WriteLine($"{store.Images.Count} of {selection.Requests.Count} images are kept; the same command goes on with the others.");
            throw;
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        output.Write(made);
        frames?.Finish(output.Images, made.TextsOf(selection, output.Images[0]));
        scores?.Write();
        output.WriteSideFile(new JsonObject
        {
            ["guidance"] = guidance.ToString(), ["options"] = JsonReport.Node(_guiding.Given(parsed, [_strengths, _scales, _intervalSteps, _intervalSigma])), ["model"] = modelPath,
            ["strengths"] = JsonReport.List(selection.Strengths.Select(s => s.W)), ["sampler"] = OptionWords.Of(settings.Kind), ["spacing"] = OptionWords.Of(settings.SpacingFor(model)),
            ["steps"] = sampler.Table.Steps, ["seed"] = seed,
        });

        store?.Finish();

        int images = selection.Requests.Count;
        if (parsed.GetValue(_json))
            JsonReport.Write(context.Out, new JsonObject
            {
                ["out"] = path, ["format"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(format.ToString()), ["model"] = modelPath, ["images"] = images,
                ["classes"] = JsonReport.List(selection.Classes.Select(c => c.Name)), ["strengths"] = JsonReport.List(selection.Strengths.Select(s => s.W)),
                ["guidance"] = guidance.ToString(), ["sampler"] = OptionWords.Of(settings.Kind), ["spacing"] = OptionWords.Of(settings.SpacingFor(model)),
                ["steps"] = sampler.Table.Steps, ["passes"] = evaluations, ["seed"] = seed, ["seconds"] = Math.Round(seconds, 3),
                ["images_per_s"] = Math.Round(left.Length / seconds, 3),
            });
        else
            context.Out.WriteLine(FormattableString.Invariant(
                $"{images} images in {seconds:0.0} s ({left.Length / seconds:0.0} images/s), {OptionWords.Of(settings.Kind)}, {sampler.Table.Steps} steps of spacing {OptionWords.Of(settings.SpacingFor(model))}, seed {seed}: {path}"));
        return ExitCode.Success;
    }

    private int RunLike(ParseResult parsed, string picture, CliContext context)
    {
        var again = parsed.RootCommandResult.Command.Parse(SampleProvenance.Arguments(parsed, picture, [[_strengths.Name, _scales.Name], [_intervalSteps.Name, _intervalSigma.Name]]));
        if (again.Errors.Count > 0) throw new InvalidDataException($"'{picture}' was made by options that this version does not know: {again.Errors[0].Message}");
        string model = again.GetValue(_model) ?? ShippedFiles.Find("models/digits.safetensors");
        if (!parsed.IsGiven(_model) && SampleProvenance.Read(picture)["model_hash"]?.ToString() is { } hash && SampleProvenance.HashOf(model) is { } now && now != hash)
            context.Error.WriteLine($"note: {model} is another model than the one that made {picture} (its hash is {now[..10]}, not {hash[..Math.Min(10, hash.Length)]}).");
        return Run(again, context);
    }

    private List<(string, IReadOnlyList<string>)> Recorded(ParseResult parsed, ulong seed, SampleSelection? guided)
    {
        List<(string, IReadOnlyList<string>)> options = [.. parsed.CommandResult.Command.Options.Where(o => parsed.IsGiven(o) && !Unrecorded.Contains(o))
            .Select(o => (o.Name, (IReadOnlyList<string>)[.. parsed.GetResult(o)!.Tokens.Select(t => t.Value)]))];
        if (!parsed.IsGiven(_seed)) options.Add((_seed.Name, [$"{seed}"]));
        // Grids and files have different strengths unless they are said.
        if (guided is not null && !parsed.IsGiven(_strengths) && !parsed.IsGiven(_scales))
            options.Add((_strengths.Name, [string.Join(",", guided.Strengths.Select(w => w.W.ToString(CultureInfo.InvariantCulture)))]));
        return options;
    }

    private LatentDecoder? DecoderFrom(ParseResult parsed, DiffusionModel model, Arena arena)
    {
        string? given = parsed.GetValue(_autoencoder), path = given ?? model.AutoencoderFolder;
        if (model.Settings.LatentScale is null)
            return given is null ? null : throw new UsageException("--autoencoder is for models of latents (DiT); this one makes images.");
        return path is null
            ? throw new UsageException("This model makes latents, not images: give the autoencoder that it was trained with by --autoencoder FILE (or a folder).")
            : LatentDecoder.Load(path, model, arena);
    }

    // Images that depend on others of their batch, and files about all of them, come from a whole run only.
    private bool KeepsImages(ParseResult parsed, Guidance guidance) =>
        parsed.GetValue(_preview) is null && parsed.GetValue(_animation) is null && _guiding.ClipScores(parsed) is null && !guidance.Gradients.Any(g => g.ReadsVariance);

    private static Image ToImage(ReadOnlySpan<float> pixels, DiffusionModel model, LatentDecoder? decoder)
    {
        if (decoder is not null) return decoder.Decode(pixels, model.Settings.PixelOffset);
        var network = model.Network.Config;
        return PixelConversion.ToImage(pixels, network.ImageSize, network.InChannels, model.Settings.DataSize ?? network.ImageSize, model.Settings.PixelOffset);
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
