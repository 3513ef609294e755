using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Training;

/// <summary>The files of one training.</summary>
internal sealed partial class RunFolder(string path)
{
    private const string LogHeader = "step,loss,norm,lr,images_per_s", DataKey = "data";

    public string Folder { get; } = path;

    public string Checkpoint => Path.Combine(Folder, "checkpoint.safetensors");

    public string Model => Path.Combine(Folder, "model.safetensors");

    public string LossChart => Path.Combine(Folder, "loss.svg");

    private string Settings => Path.Combine(Folder, "settings.json");

    private string Log => Path.Combine(Folder, "log.csv");

    /// <summary>Power-function averages, one file for each width and checkpoint.</summary>
    public string Averages => Path.Combine(Folder, "averages");

    public string Samples(long step) => Path.Combine(Folder, $"samples-{step:000000}.png");

    /// <summary>Prepares for a new training.</summary>
    /// <exception cref="IOException">The folder cannot be written, holds a training that the user did not give up, or files that a training would replace.</exception>
    public RunLock Prepare(bool force)
    {
        if (!force)
        {
            if (File.Exists(Checkpoint))
                throw new IOException($"'{Folder}' already holds a training. Go on with it by --resume, choose another folder by --out, or replace it by --force.");
            if (Existing().FirstOrDefault() is { } other)
                throw new IOException($"'{Folder}' is no training's folder, and holds '{Path.GetRelativePath(Folder, other)}', which a training would replace. Choose another folder by --out, or replace it by --force.");
        }
        return Own();
    }

    /// <summary>Takes the folder for this process, and removes what killed ones left in it.</summary>
    /// <exception cref="IOException">It cannot be written, or a running training has it.</exception>
    public RunLock Own()
    {
        WritableFolder.Require(Folder);
        if (Directory.Exists(Averages)) WritableFolder.Require(Averages);
        return RunLock.Take(Folder);
    }

    /// <summary>Removes samples and averages of later steps: of steps that were lost and are done again, or of the training that a new one replaces.</summary>
    public void RemoveAfter(long step)
    {
        foreach (string file in SampleFiles().Where(file => long.Parse(SampleName().Match(Path.GetFileName(file)).Groups[1].Value, CultureInfo.InvariantCulture) > step)) File.Delete(file);
        if (step == 0)
            foreach (string file in AverageFiles()) File.Delete(file);
    }

    private IEnumerable<string> Existing() =>
        new[] { Model, Settings, Log, LossChart }.Where(File.Exists).Concat(SampleFiles()).Concat(AverageFiles());

    private string[] SampleFiles() => Directory.Exists(Folder) ? [.. Directory.GetFiles(Folder, "samples-*.png").Where(file => SampleName().IsMatch(Path.GetFileName(file)))] : [];

    private string[] AverageFiles() => Directory.Exists(Averages) ? Directory.GetFiles(Averages, "average-*.safetensors") : [];

    [GeneratedRegex(@"^samples-([0-9]{6,18})\.png$")]
    private static partial Regex SampleName();

    public void WriteSettings(DataSource data, Trainer trainer)
    {
        var settings = new JsonObject
        {
            ["data"] = JsonReport.Node(data.Absolute()), ["network"] = JsonNode.Parse(ModelJson.Write(trainer.Model.Network.Config)),
            ["diffusion"] = JsonNode.Parse(ModelJson.Write(trainer.Model.Settings)), ["training"] = JsonNode.Parse(ModelJson.Write(trainer.Settings)),
        };
        AtomicFile.Write(Settings, stream => stream.Write(Encoding.UTF8.GetBytes(JsonReport.Text(settings))));
    }

    /// <summary>Notes in the checkpoint what data a training uses: so that one file, replaced in one step, says all of it.</summary>
    public static void NoteData(DataSource data, Trainer trainer) => trainer.Notes[DataKey] = JsonReport.Node(data.Absolute())!.ToJsonString();

    /// <summary>The data that a training was started with; the shipped digits if nothing tells.</summary>
    /// <param name="notes">Metadata of the checkpoint.</param>
    /// <exception cref="InvalidDataException">What should tell it is damaged.</exception>
    public DataSource ReadDataSource(IReadOnlyDictionary<string, string> notes)
    {
        string path = Checkpoint;
        try
        {
            if (notes.TryGetValue(DataKey, out string? noted)) return JsonSerializer.Deserialize(noted, ReportJson.Default.DataSource) ?? new DataSource();
            path = Settings;
            if (!File.Exists(path)) return new DataSource();
            using var stream = InputFile.Open(path);
            using var document = JsonDocument.Parse(stream);
            return document.RootElement.GetProperty("data").Deserialize(ReportJson.Default.DataSource) ?? new DataSource();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{path}' does not say what data were used ({e.Message}); name them by --images and --labels or --folder.", e);
        }
    }

    /// <summary>Opens the log behind the row of a step; later rows belong to steps that were lost and are done again.</summary>
    public StreamWriter OpenLog(long step)
    {
        // Rows of a pipe or a device are gone.
        string[] rows = File.Exists(Log) && PosixFile.SpecialKind(Log) is null ? File.ReadAllLines(Log) : [];
        var kept = rows.Where(row => long.TryParse(row.Split(',')[0], NumberStyles.None, CultureInfo.InvariantCulture, out long at) && at <= step);
        AtomicFile.Write(Log, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(kept.Prepend(LogHeader).Select(row => row + "\n")))));
        return new StreamWriter(Log, append: true) { NewLine = "\n", AutoFlush = true };
    }

    public static void LogStep(StreamWriter log, TrainingStep step, double imagesPerSecond) =>
        log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{step.Step},{step.Loss:g9},{step.GradientNorm:g6},{step.LearningRate:g6},{imagesPerSecond:0.0}"));
}
