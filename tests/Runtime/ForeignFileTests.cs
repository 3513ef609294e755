using System.Text;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>What people give for weights: each by its true name, with what to do.</summary>
[TestFixture]
internal sealed class ForeignFileTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("foreign").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 346123\n", "Git LFS pointer", "346123 bytes", "git lfs pull")]
    [TestCase("\ufeff <!DOCTYPE HTML>\n<html><head><title>Sign in</title>", "HTML page", "'Sign in'", "login")]
    [TestCase("<html>", "HTML page", "Fetch the file itself")]
    [TestCase("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML text")]
    [TestCase("{\"error\": \"Entry not found\"}", "JSON text", "config.json")]
    [TestCase("weights go here\r\nnot yet", "text that begins with 'weights go here'")]
    [TestCase("\u0089PNG\r\n\u001a\n\0\0\0\rIHDR", "PNG picture")]
    [TestCase("\u00ff\u00d8\u00ff\u00e0\0\u0010JFIF", "JPEG picture")]
    [TestCase("RIFF\u0010\0\0\0WEBPVP8 ", "WebP picture")]
    [TestCase("GIF89a\u0001\0", "GIF picture")]
    [TestCase("GGUF\u0003\0\0\0\u0001\0\0\0", "GGUF", "safetensors")]
    [TestCase("\u0089HDF\r\n\u001a\n\0\0", "HDF5")]
    [TestCase("\u001f\u008b\b\0\0\0\0\0", "gzip archive", "unpack")]
    [TestCase("PAR1\u0015\0", "Parquet", "data set")]
    [TestCase("%PDF-1.7\n\u00e2\u00e3", "PDF")]
    [TestCase("", "empty", "Fetch it again")]
    public void A_file_that_is_none_of_weights_is_called_by_its_name(string content, params string[] said)
    {
        string path = Path.Combine(_folder, "model.safetensors");
        File.WriteAllBytes(path, content.StartsWith('\ufeff') ? Encoding.UTF8.GetBytes(content) : Encoding.Latin1.GetBytes(content));
        string message = Assert.Throws<CheckpointException>(() => CheckpointFile.Open(path))!.Message;
        foreach (string part in said) Assert.That(message, Does.Contain(part));
        Assert.That(message, Does.StartWith(path + ": is ").And.Not.Contain("header of"));
        Assert.That(() => SafetensorsFile.Open(path), Throws.InstanceOf<CheckpointException>());
    }

    [Test]
    public void A_bitmap_is_known_by_its_length_too()
    {
        string path = Path.Combine(_folder, "x.bin");
        File.WriteAllBytes(path, [(byte)'B', (byte)'M', 20, 0, 0, 0, .. new byte[14]]);
        Assert.That(() => CheckpointFile.Open(path), Throws.InstanceOf<CheckpointException>().With.Message.Contains("BMP picture"));
    }

    [TestCase("someone/some-model", true)]
    [TestCase("https://example.org/model.safetensors", true)]
    [TestCase("hub:some-model://x", true)]
    [TestCase("model.safetensors", false)]
    [TestCase("/none/model.safetensors", false)]
    public void Nothing_is_downloaded_and_that_is_said(string name, bool online) =>
        Assert.That(() => CheckpointFile.Open(name), Throws.InstanceOf<CheckpointException>().With.Message.Contains("there is no such file").And.Message.Matches(online ? "nothing is downloaded" : "file$"));
}
