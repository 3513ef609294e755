using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Training;

/// <summary>The files of one training.</summary>
internal sealed class RunFolder(string path)
{
    private const string LogHeader = "step,loss,norm,lr,images_per_s";

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
    /// <exception cref="IOException">The folder cannot be written, or holds a training that the user did not give up.</exception>
    public void Prepare(bool force)
    {
        if (File.Exists(Checkpoint) && !force)
            throw new IOException($"'{Folder}' already holds a training. Go on with it by --resume, choose another folder by --out, or replace it by --force.");
        WritableFolder.Require(Folder);
    }

    /// <summary>Removes what the first checkpoint of a new training does not replace.</summary>
    public void RemoveOldFiles()
    {
        File.Delete(Log);
        foreach (string file in Directory.GetFiles(Folder, "samples-*.png")) File.Delete(file);
        if (Directory.Exists(Averages))
            foreach (string file in Directory.GetFiles(Averages, "average-*.safetensors")) File.Delete(file);
    }

    public void WriteSettings(DataSource data, Trainer trainer)
    {
        var settings = new JsonObject
        {
            ["data"] = JsonReport.Node(data.Absolute()), ["network"] = JsonNode.Parse(ModelJson.Write(trainer.Model.Network.Config)),
            ["diffusion"] = JsonNode.Parse(ModelJson.Write(trainer.Model.Settings)), ["training"] = JsonNode.Parse(ModelJson.Write(trainer.Settings)),
        };
        AtomicFile.Write(Settings, stream => stream.Write(Encoding.UTF8.GetBytes(JsonReport.Text(settings))));
    }

    /// <summary>The data that a training was started with; the shipped digits if nothing tells.</summary>
    /// <exception cref="InvalidDataException">settings.json is damaged.</exception>
    public DataSource ReadDataSource()
    {
        if (!File.Exists(Settings)) return new DataSource();
        try
        {
            using var stream = File.OpenRead(Settings);
            using var document = JsonDocument.Parse(stream);
            return document.RootElement.GetProperty("data").Deserialize(ReportJson.Default.DataSource) ?? new DataSource();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{Settings}' does not say what data were used ({e.Message}); name them by --images and --labels or --folder.", e);
        }
    }

    /// <summary>Opens the log behind the row of a step; later rows belong to steps that were lost and are done again.</summary>
    public StreamWriter OpenLog(long step)
    {
        string[] rows = File.Exists(Log) ? File.ReadAllLines(Log) : [];
        var kept = rows.Where(row => long.TryParse(row.Split(',')[0], NumberStyles.None, CultureInfo.InvariantCulture, out long at) && at <= step);
        var log = new StreamWriter(Log, append: false) { NewLine = "\n" };
        log.WriteLine(LogHeader);
        foreach (string row in kept) log.WriteLine(row);
        return log;
    }

    public static void LogStep(StreamWriter log, TrainingStep step, double imagesPerSecond) =>
        log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{step.Step},{step.Loss:g9},{step.GradientNorm:g6},{step.LearningRate:g6},{imagesPerSecond:0.0}"));
}
