using System.Diagnostics;
using NativeDiffusion.Tests.Cli;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Faults;

/// <summary>
/// Processes killed at random moments: what is there then is whole, the same commands end with the bits of runs that nobody killed, and nothing is left over.
/// A part: <c>dotnet test -c Release --filter "TestCategory=Faults&amp;Name~Sampled"</c>; all: <c>--filter TestCategory=Faults</c>.
/// </summary>
[Explicit("Processes are started and killed for minutes.")]
[Category("Faults")]
internal sealed class KillTests : CliFixture
{
    [TestCase(3, TestName = "Sampled_kills_of_training")]
    [TestCase(100, TestName = "Kills_of_training")]
    public void Training(int kills)
    {
        string[] start = ["train", "--folder", TinyData(), "--steps", "30", "--batch", "2", "--channels", "32", "--save-every", "7", "--sample-every", "15", "--power-ema", "0.1", "--threads", "1", "--out"];
        Assert.That(Finish([.. start, PathTo("whole/run")]), Is.Zero);
        var random = new Random(1);
        for (int i = 0; i < kills; i++)
        {
            // Once it has ended, from the start again: by --force over what is there, too.
            bool resumes = File.Exists(PathTo("killed/run/checkpoint.safetensors")) && random.Next(5) > 0;
            Kill(resumes ? ["train", "--resume", "--save-every", "7", "--sample-every", "15", "--threads", "1", "--out", PathTo("killed/run")] : [.. start, PathTo("killed/run"), "--force"], random);
            if (File.Exists(PathTo("killed/run/checkpoint.safetensors"))) Assert.That(ToolRun.Of("info", PathTo("killed/run/checkpoint.safetensors")).ExitCode, Is.Zero);
        }
        if (!File.Exists(PathTo("killed/run/checkpoint.safetensors"))) Kill([.. start, PathTo("killed/run"), "--force"], random, 60_000);
        Assert.That(Finish("train", "--resume", "--save-every", "7", "--sample-every", "15", "--threads", "1", "--out", PathTo("killed/run")), Is.Zero);
        AssertSame("whole", "killed", except: ["settings.json", "log.csv"]);
        Assert.That(Rows("killed"), Is.EqualTo(Rows("whole")));

        // The speed of a step is not the same twice.
        string[] Rows(string name) => [.. File.ReadAllLines(PathTo(name + "/run/log.csv")).Select(row => row[..row.LastIndexOf(',')])];
    }

    [TestCase(1, TestName = "Sampled_kills_of_sampling")]
    [TestCase(50, TestName = "Kills_of_sampling")]
    public void Sampling(int kills)
    {
        string model = TinyModel();
        string[] Command(string name) =>
            ["sample", "--model", model, "--classes", "0,1", "--w", "1", "--count", "50", "--steps", "20", "--batch", "4", "--seed", "3", "--threads", "1", "--out", PathTo(name)];
        foreach (string name in new[] { "x.npz", "pictures" })
        {
            Assert.That(Finish(Command("whole/" + name)), Is.Zero);
            var random = new Random(2);
            for (int i = 0; i < kills; i++) Kill(Command("killed/" + name), random);
            int code = Finish(Command("killed/" + name));
            // A run that had ended before it was killed is not drawn again into a folder.
            Assert.That(code, name == "pictures" ? Is.AnyOf(0, 1) : Is.Zero);
        }
        AssertSame("whole", "killed", except: []);
    }

    [TestCase(2, TestName = "Sampled_kills_of_single_files")]
    [TestCase(50, TestName = "Kills_of_single_files")]
    public void SingleFiles(int kills)
    {
        string data = TinyData(), model = TinyModel();
        string[] Convert(string name) => ["convert", model, PathTo(name + "/m.pt")];
        string[] Classify(string name) => ["train-classifier", "--folder", data, "--epochs", "3", "--batch", "2", "--levels", "1", "--threads", "1", "--out", PathTo(name + "/c.safetensors")];
        foreach (var command in new[] { Convert, Classify })
        {
            Assert.That(Finish(command("whole")), Is.Zero);
            var random = new Random(3);
            for (int i = 0; i < kills; i++) Kill(command("killed"), random, 1500);
            Assert.That(Finish(command("killed")), Is.Zero);
        }
        AssertSame("whole", "killed", except: []);
    }

    private void AssertSame(string whole, string other, string[] except)
    {
        string[] names = Names(whole);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Names(other), Is.EqualTo(names), "nothing is left over, and nothing is missing");
            foreach (string name in names.Where(name => !except.Contains(Path.GetFileName(name)) && !name.EndsWith(".json", StringComparison.Ordinal)))
                Assert.That(File.ReadAllBytes(Path.Combine(PathTo(other), name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(PathTo(whole), name))), name);
        }

        string[] Names(string folder) => [.. Directory.GetFiles(PathTo(folder), "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(PathTo(folder), f)).Order(StringComparer.Ordinal)];
    }

    private static void Kill(string[] command, Random random, int most = 2500)
    {
        using var process = Start(command);
        if (!process.WaitForExit(random.Next(most))) process.Kill();
        process.WaitForExit();
    }

    private static int Finish(params string[] command)
    {
        using var process = Start(command);
        process.WaitForExit();
        return process.ExitCode;
    }

    private static Process Start(string[] command)
    {
        string tool = Path.Combine(TestContext.CurrentContext.TestDirectory, OperatingSystem.IsWindows() ? "nativediffusion.exe" : "nativediffusion");
        var process = Process.Start(new ProcessStartInfo(tool, command) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        return process;
    }
}
