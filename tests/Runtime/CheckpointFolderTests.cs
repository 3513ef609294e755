using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

[TestFixture]
internal sealed class CheckpointFolderTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("folders").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("model.safetensors", "model.safetensors", "checkpoint.safetensors")]
    [TestCase("diffusion_pytorch_model.safetensors", "config.json", "diffusion_pytorch_model.safetensors")]
    [TestCase("unet/diffusion_pytorch_model.safetensors", "model_index.json", "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")]
    [TestCase("transformer/diffusion_pytorch_model.safetensors", "model_index.json", "transformer/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")]
    [TestCase("only.safetensors", "only.safetensors", "notes.txt")]
    public void The_weights_of_a_folder_are_found(string expected, params string[] files)
    {
        Write(files);
        using var file = CheckpointFile.Open(_folder);
        Assert.That(Path.GetRelativePath(_folder, file.Name).Replace('\\', '/'), Is.EqualTo(expected));
    }

    [TestCase("without weights", "notes.txt")]
    [TestCase("2 files of weights (a.safetensors, b.safetensors)", "a.safetensors", "b.safetensors")]
    [TestCase("pipeline without a part unet or transformer", "model_index.json", "vae/diffusion_pytorch_model.safetensors")]
    public void A_folder_that_leaves_it_open_is_refused(string said, params string[] files)
    {
        Write(files);
        Assert.That(() => CheckpointFile.Open(_folder), Throws.InstanceOf<CheckpointException>().With.Message.Contains(said));
    }

    [Test]
    public void The_autoencoder_of_a_pipeline_is_another_part()
    {
        Write("model_index.json", "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.bin", "vae/config.json");
        Assert.That(CheckpointFolder.WeightsOf(_folder, CheckpointFolder.Autoencoders), Is.EqualTo(Path.Combine(_folder, "vae", "diffusion_pytorch_model.bin")));
    }

    private void Write(params string[] files)
    {
        foreach (string name in files)
        {
            string path = Path.Combine(_folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            if (name.EndsWith(".safetensors", StringComparison.Ordinal)) SafetensorsWriter.Write(path, [TensorEntry.Of("w", [1], new float[1].AsMemory())], new Dictionary<string, string>());
            else File.WriteAllText(path, "{}");
        }
    }
}
