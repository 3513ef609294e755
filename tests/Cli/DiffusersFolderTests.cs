using NativeDiffusion.Cli;
using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Tests.Model.Published;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary>Folders of diffusers in the tool.</summary>
internal sealed class DiffusersFolderTests
{
    [Test]
    public void A_pipeline_of_latents_is_described_and_sampled_with_its_own_autoencoder()
    {
        using var recorded = new DiffusersCase("dit");
        var info = ToolRun.Of("info", recorded.Folder, "--json");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(info.ExitCode, Is.EqualTo(ExitCode.Success), info.Error);
            Assert.That(info.Json.GetProperty("architecture").GetString(), Is.EqualTo("dit"));
            Assert.That(info.Json.GetProperty("autoencoder").GetString(), Is.EqualTo(recorded.PathTo("vae")));
            Assert.That(info.Json.GetProperty("diffusion").GetProperty("schedule").GetString(), Is.EqualTo("scaled-linear"));
            Assert.That(info.Json.GetProperty("diffusion").GetProperty("sampler").GetProperty("kind").GetString(), Is.EqualTo("ddim"));
            Assert.That(info.Json.TryGetProperty("assumed", out _), Is.False);
        }
        var sample = ToolRun.Of("sample", "--model", recorded.Folder, "--steps", "4", "--count", "1", "--classes", "two", "--seed", "3", "--out", recorded.PathTo("out.npz"));
        Assert.That(sample.ExitCode, Is.EqualTo(ExitCode.Success), sample.Error);
        var given = ToolRun.Of("sample", "--model", recorded.PathTo("transformer"), "--autoencoder", recorded.Folder, "--steps", "4", "--count", "1", "--classes", "1", "--seed", "3", "--out", recorded.PathTo("same.npz"));
        Assert.That(given.ExitCode, Is.EqualTo(ExitCode.Success), given.Error);
        Assert.That(Pixels(recorded.PathTo("same.npz")), Is.EqualTo(Pixels(recorded.PathTo("out.npz"))));
    }

    [Test]
    public void A_model_of_pictures_is_sampled_by_its_scheduler_and_what_is_not_followed_is_said()
    {
        using var recorded = new DiffusersCase("ddpm");
        recorded.Change("scheduler_config.json", "DDPMScheduler", "PNDMScheduler");
        var sample = ToolRun.Of("sample", "--model", recorded.Folder, "--steps", "3", "--count", "1", "--out", recorded.PathTo("out.png"));
        Assert.That(sample.ExitCode, Is.EqualTo(ExitCode.Success), sample.Error);
        Assert.That(sample.Output, Does.Contain("ddim, 3 steps of spacing leading"));
        Assert.That(ToolRun.Of("info", recorded.PathTo("out.png")).Output, Does.Contain(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(recorded.PathTo("diffusion_pytorch_model.safetensors"))))[..10]));
        Assert.That(sample.Error, Does.Contain("PNDMScheduler is not among the samplers here; ddim takes its place"));
        Assert.That(ToolRun.Of("info", recorded.Folder).Output, Does.Contain("not_followed"));
    }

    [Test]
    public void What_is_not_supported_is_called_by_its_name()
    {
        using var recorded = new DiffusersCase("ddpm");
        recorded.Change("config.json", "\"UNet2DModel\"", "\"VQModel\"");
        ToolRun.Of("sample", "--model", recorded.Folder, "--out", recorded.PathTo("out.png")).AssertError(ExitCode.Failure, "VQModel");
    }

    private static long[] Pixels(string path)
    {
        using var file = CheckpointFile.Open(path);
        return file.ReadInt64("arr_0");
    }
}
