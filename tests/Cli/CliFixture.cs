using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary>A folder for a test's files, and tiny models and data in it.</summary>
internal abstract class CliFixture
{
    protected string Folder { get; private set; } = "";

    [SetUp]
    public void MakeFolder() => Folder = Directory.CreateTempSubdirectory("nd-cli-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(Folder, recursive: true);

    protected string PathTo(string name) => Path.Combine(Folder, name);

    /// <summary>An untrained model of 8 x 8 grey images in three classes.</summary>
    protected string TinyModel()
    {
        string path = PathTo("tiny.safetensors");
        var network = new UNetConfig
        {
            ImageSize = 8, InChannels = 1, OutChannels = 1, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1, 1], AttentionResolutions = [2],
            NumHeads = 2, UseScaleShiftNorm = true, NumClasses = 4,
        };
        using var kernels = new CpuKernels(1);
        using var model = new DiffusionModel(network, new DiffusionSettings { ClassNames = ["cat", "dog", "7"] }, kernels, seed: 5);
        // A new network's blocks add nothing yet; made to, images depend on class and guidance.
        foreach (var weight in model.Parameters.Items.Where(p => p.Shape.Rank == 4))
            kernels.Upload([.. Enumerable.Range(0, (int)weight.Shape.Count).Select(i => MathF.Sin(i * i) * 0.05f)], model.Parameters.ValueOf(weight));
        model.Parameters.MarkChanged();
        model.Save(path);
        return path;
    }

    /// <summary>Six 8 x 8 images in two classes: a folder of PNG files.</summary>
    protected string TinyData()
    {
        for (int label = 0; label < 2; label++)
            for (int i = 0; i < 3; i++)
            {
                byte[] pixels = [.. Enumerable.Range(0, 64).Select(p => (byte)((p % 8 < 4) == (label == 0) ? 200 + i : 20 * i))];
                PngWriter.Write(PathTo($"data/{(label == 0 ? "left" : "right")}/{i}.png"), new Image(8, 8, 1, pixels));
            }
        return PathTo("data");
    }
}
