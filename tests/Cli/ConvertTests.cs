using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Tests.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

internal sealed class ConvertTests : CliFixture
{
    [Test]
    public void A_model_survives_the_way_through_every_container()
    {
        string model = TinyModel();
        string[] way = [model, PathTo("a.pt"), PathTo("b.npz"), PathTo("c.safetensors")];
        for (int i = 1; i < way.Length; i++)
            Assert.That(ToolRun.Of("convert", way[i - 1], way[i]), Has.Property("ExitCode").Zero.And.Property("Output").Contain("tensors"));
        using var first = CheckpointFile.Open(model);
        using var last = CheckpointFile.Open(way[^1]);
        Assert.That(last.Metadata, Is.EquivalentTo(first.Metadata));
        Assert.That(last.Tensors.Select(t => t.ToString()), Is.EqualTo(first.Tensors.Select(t => t.ToString())));
        Assert.That(last.Tensors.All(t => last.ReadFloat(t.Name).SequenceEqual(first.ReadFloat(t.Name))));
    }

    [Test]
    public void A_pickled_network_becomes_half_precision_without_its_prefix()
    {
        string result = PathTo("edm.safetensors");
        Assert.That(ToolRun.Of("convert", TorchFileTests.Data("edm.pkl"), result, "--dtype", "bf16", "--prefix", "ema.").ExitCode, Is.Zero);
        using var file = CheckpointFile.Open(result);
        Assert.That(file.Find("model.map_layer0.weight").ToString(), Is.EqualTo("'model.map_layer0.weight' BF16 [6,4]"));
    }

    [Test]
    public void Errors()
    {
        string model = TinyModel();
        ToolRun.Of("convert", model, PathTo("x.gguf")).AssertError(2, ".safetensors", "'.gguf'");
        ToolRun.Of("convert", model, PathTo("x.npz"), "--dtype", "bf16").AssertError(1, "BF16", "F32");
        ToolRun.Of("convert", model, PathTo("x.pt"), "--prefix", "none.").AssertError(1, "'none.'");
        ToolRun.Of("convert", PathTo("none"), PathTo("x.pt")).AssertError(1, "no such file");
        Assert.That(Directory.GetFiles(Folder, "x.*"), Is.Empty);
    }
}
