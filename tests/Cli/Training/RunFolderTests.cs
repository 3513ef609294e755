using NativeDiffusion.Cli.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli.Training;

internal sealed class RunFolderTests : CliFixture
{
    [Test]
    public void WhatIsNotOursIsNeverReplaced()
    {
        string data = TinyData(), run = Directory.CreateDirectory(PathTo("mine")).FullName;
        foreach (string name in new[] { "samples-000001.png", "samples-of-mine.png", "model.safetensors", "notes.txt" }) File.WriteAllText(Path.Combine(run, name), name);
        string[] training = ["train", "--folder", data, "--steps", "1", "--batch", "1", "--sample-every", "0", "--out", run];
        ToolRun.Of(training).AssertError(1, "is no training's folder", "model.safetensors", "--force");
        Assert.That(Directory.GetFiles(run).Select(Path.GetFileName).Order(), Is.EqualTo(new[] { "model.safetensors", "notes.txt", "samples-000001.png", "samples-of-mine.png" }));
        Assert.That(ToolRun.Of([.. training, "--force"]).ExitCode, Is.Zero);
        Assert.That(File.ReadAllText(Path.Combine(run, "samples-of-mine.png")), Is.EqualTo("samples-of-mine.png"), "no name that a training gives");
        Assert.That(File.Exists(Path.Combine(run, "samples-000001.png")), Is.False);
    }

    [Test]
    public void OneTrainingOwnsAFolder()
    {
        string run = PathTo("run");
        using (new RunFolder(run).Own())
        {
            string[] training = ["train", "--folder", TinyData(), "--steps", "1", "--batch", "1", "--sample-every", "0", "--out", run];
            ToolRun.Of(training).AssertError(1, "belongs to a training that is running", OperatingSystem.IsWindows() ? "" : $"process {Environment.ProcessId} on {Environment.MachineName}");
        }
        Assert.That(Directory.GetFiles(run), Is.Empty, "the lock goes with its owner");
        File.WriteAllText(Path.Combine(run, RunLock.FileName), "process 1 on elsewhere");
        using (new RunFolder(run).Own()) { }
    }

    [Test]
    public void TheLogKeepsItsRowsWithoutBeingClosed()
    {
        var folder = new RunFolder(Directory.CreateDirectory(PathTo("run")).FullName);
        string log = PathTo("run/log.csv");
        using (var first = folder.OpenLog(0))
        {
            for (int step = 1; step <= 5; step++) RunFolder.LogStep(first, new(step, 1, 1, 1), 1);
            Assert.That(Rows(log), Is.EqualTo(new[] { "step", "1", "2", "3", "4", "5" }), "what a kill leaves");
        }
        using var second = folder.OpenLog(3);
        Assert.That(Rows(log), Is.EqualTo(new[] { "step", "1", "2", "3" }), "before the first new row");

        static string[] Rows(string path)
        {
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => row.Split(',')[0])];
        }
    }

    [Test]
    public void TheCheckpointAloneSaysWhatATrainingIs()
    {
        string data = TinyData(), run = PathTo("run");
        Assert.That(ToolRun.Of("train", "--folder", data, "--steps", "2", "--batch", "1", "--sample-every", "0", "--out", run).ExitCode, Is.Zero);
        foreach (string file in Directory.GetFiles(run).Where(file => !file.EndsWith("checkpoint.safetensors", StringComparison.Ordinal))) File.Delete(file);
        File.WriteAllText(Path.Combine(run, "checkpoint.safetensors.tmp-99-ab"), "remains");
        ToolRun longer = ToolRun.Of("train", "--resume", "--steps", "4", "--out", run);
        Assert.That(longer.Output, Does.Contain("Trained 4 steps"), longer.Error);
        Assert.That(Directory.GetFiles(run, "*.tmp-*"), Is.Empty);
    }
}
