using NativeDiffusion.Cli;
using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Tests.Model.Published;
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
    public void Results_say_it_in_the_words_of_the_options()
    {
        string result = PathTo("x.safetensors");
        var report = ToolRun.Of("convert", TinyModel(), result, "--dtype", "bf16", "--json").Json;
        Assert.That((report.GetProperty("out").GetString(), report.GetProperty("dtype").GetString()), Is.EqualTo((result, "bf16")));
        Assert.That(ToolRun.Of("info", result, "--json").Json.GetProperty("dtypes").EnumerateObject().Single().Name, Is.EqualTo("bf16"));
        Assert.That(StoredWords.AsOptions("""{"sampler":{"kind":"dpm_solver2_m","spacing":"log_snr_uniform","variance":"fixed_small"},"weighting":"uniform_v","a":"kind"}""").ToString(),
            Is.EqualTo("""{"sampler":{"kind":"dpm\u002B\u002B2m","spacing":"log-snr","variance":"small"},"weighting":"uniform-v","a":"kind"}"""));
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
    public void What_the_user_says_of_a_network_goes_into_the_new_file()
    {
        string plain = PathTo("plain.safetensors"), said = PathTo("said.pt");
        PublishedFixture.Write(plain, PublishedFixture.Adm);
        Assert.That(ToolRun.Of("convert", plain, said, "--heads", "2", "--schedule", "cosine", "--diffusion-steps", "4000", "--rescale-timesteps", "yes").ExitCode, Is.Zero);
        ToolRun info = ToolRun.Of("info", said, "--json");
        Assert.That(info.Json.GetProperty("config").GetProperty("num_heads").GetInt32(), Is.EqualTo(2), info.Error);
        Assert.That(info.Json.GetProperty("diffusion").GetProperty("timesteps").GetInt32(), Is.EqualTo(4000));
        Assert.That(info.Json.GetProperty("diffusion").GetProperty("rescale_timesteps").GetBoolean());
        Assert.That(info.Json.GetProperty("assumed").EnumerateObject().Select(p => p.Name), Is.EquivalentTo(new[] { "image_size", "use_new_attention_order", "prediction" }));
        ToolRun.Of("convert", said, PathTo("again.pt"), "--heads", "4").AssertError(1, "declared.num_heads says 2", "num_heads as given says 4");
        ToolRun.Of("convert", TinyModel(), PathTo("own.pt"), "--heads", "4").AssertError(2, "written by this tool");
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
