using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary>Exit codes and messages of the tool.</summary>
internal sealed class ErrorTests : CliFixture
{
    [Test]
    public void HelpVersionAndNothingSucceed()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ToolRun.Of(), Has.Property("ExitCode").Zero.And.Property("Output").Contain("sample"));
            Assert.That(ToolRun.Of("--version").Output, Does.Match(@"^nativediffusion \d+\.\d+\.\d+"));
            foreach (string command in new[] { "sample", "train", "info", "bench" })
                Assert.That(ToolRun.Of(command, "--help"), Has.Property("ExitCode").Zero.And.Property("Output").Contain($"nativediffusion {command} ").And.Property("Error").Empty);
        }
    }

    [TestCase("sampl", "there is no command 'sampl'; did you mean sample?")]
    [TestCase("sample --bad 3", "'sample' has no option '--bad'")]
    [TestCase("sample --smapler ddim", "'sample' has no option '--smapler'; did you mean --sampler?")]
    [TestCase("sample --steps", "--steps")]
    [TestCase("sample --steps 0", "--steps takes a whole number from 1 to 100000; got '0'.")]
    [TestCase("sample --steps 3 --steps 4", "--steps")]
    [TestCase("sample --sampler foo", "--sampler takes one of dpm++2m, ddim,", "got 'foo'")]
    [TestCase("sample --w 1,x", "--w takes numbers", "got '1,x'")]
    [TestCase("sample --w 1 --scale 2", "--w and --scale")]
    [TestCase("sample --eta 0.5", "--eta belongs to the sampler ddim")]
    [TestCase("sample --interval-steps 5", "--interval-steps takes two whole numbers with a colon")]
    [TestCase("sample --interval-steps 0.9:1.9", "--interval-steps takes a whole number from 0 to 1000000000; got '0.9:1.9'.")]
    [TestCase("sample --interval-steps 1:1e2", "--interval-steps takes a whole number from 0 to 1000000000; got '1:1e2'.")]
    [TestCase("sample --seed 1.5", "--seed takes a whole number")]
    [TestCase("sample --classes 3,7,3", "--classes names the class '3' twice", "--count")]
    [TestCase("sample --w 1,2,1.0", "--w names 1 twice", "--count")]
    [TestCase("sample --scale 0,-0", "--scale names", "twice")]
    [TestCase("sample --interval-steps 5:1", "smaller number first")]
    [TestCase("sample --interval-steps 1:2 --interval-sigma 1:2", "exclude each other")]
    [TestCase("sample --seed -1", "--seed takes a whole number from 0")]
    [TestCase("sample --out x.jpg", ".jpg", "--format")]
    [TestCase("sample --device tpu", "--device takes auto, cpu, cuda[:n], opencl[:n] or ilgpu-cpu; got 'tpu'.")]
    [TestCase("sample --math bf16", "--math bf16 is of GPUs; the device is cpu, which multiplies in float32.")]
    [TestCase("sample --math fp8", "--math takes one of ieee, tf32, bf16; got 'fp8'.")]
    [TestCase("sample --threads 5000", "--threads takes a whole number from 0 to 1024")]
    [TestCase("train --preset huge", "--preset takes one of quick, digits")]
    [TestCase("train --images a", "--images and --labels belong together")]
    [TestCase("train --images a --labels b --folder c", "kinds of data")]
    [TestCase("train --resume --lr 0.1 --batch 3", "--batch, --lr cannot be given with it")]
    [TestCase("info", "info")]
    [TestCase("bench --runs 4", "--runs takes a whole number from 5 to 100000")]
    [TestCase("bench --pass backward", "--pass takes one of forward, train, guided, unfused")]
    public void WrongCommandLines(string line, params string[] texts) => ToolRun.Of(line.Split(' ')).AssertError(2, texts);

    // Whether or not GPU support was built in, no machine has that many.
    [Test]
    public void ADeviceThatIsNotThereNamesTheRemedy() => ToolRun.Of("sample", "--device", "cuda:999", "--out", PathTo("x.png"))
        .AssertError(1, "'cuda:999'", GpuDevices.IsBuiltIn ? "there are" : "-p:UseIlgpu=true");

    [Test]
    public void RootHelpSaysWhereItComputes() => Assert.That(ToolRun.Of("--help").Output, Does.Contain("on the CPU or a GPU").And.Contain("nativediffusion [command]"));

    [TestCase("sam", "sample")]
    [TestCase("sample --sampler ", "ddim")]
    [TestCase("train --weighting ", "uniform-v")]
    public void CompletionsAreTheLibrarys(string line, string word)
    {
        ToolRun run = ToolRun.Of($"[suggest:{line.Length}]", line);
        Assert.That(run, Has.Property("ExitCode").Zero.And.Property("Error").Empty);
        Assert.That(run.Output.Split('\n', StringSplitOptions.TrimEntries), Does.Contain(word));
    }

    [Test]
    public void UnknownClassListsTheClasses() =>
        ToolRun.Of("sample", "--model", TinyModel(), "--classes", "cat,bird", "--out", PathTo("x.png")).AssertError(2, "'bird'", "cat, dog, 7");

    [Test]
    public void MissingFile() => ToolRun.Of("info", PathTo("none.safetensors")).AssertError(1, "none.safetensors: there is no such file");

    [Test]
    public void TruncatedModel()
    {
        string model = TinyModel();
        byte[] bytes = File.ReadAllBytes(model);
        File.WriteAllBytes(model, bytes[..(bytes.Length / 2)]);
        ToolRun.Of("sample", "--model", model, "--out", PathTo("x.png")).AssertError(1, "tiny.safetensors");
        Assert.That(File.Exists(PathTo("x.png")), Is.False);
    }

    [Test]
    public void OutputThatCannotBeWrittenIsNoticedFirst()
    {
        string model = TinyModel();
        Directory.CreateDirectory(PathTo("folder.png"));
        ToolRun.Of("sample", "--model", model, "--out", PathTo("folder.png")).AssertError(1, "folder.png", "it is a folder");
        ToolRun.Of("sample", "--model", model, "--out", PathTo("tiny.safetensors/x.png")).AssertError(1, "Cannot write in the folder");
        ToolRun.Of("sample", "--model", model, "--format", "png", "--out", model).AssertError(1, "it is a file");
        ToolRun.Of("train", "--folder", TinyData(), "--out", model + "/run").AssertError(1, "Cannot write in the folder");
    }

    [Test]
    public void GridThatIsTooLargeIsNoticedFirst() =>
        ToolRun.Of("sample", "--model", TinyModel(), "--count", "5000", "--out", PathTo("x.png")).AssertError(1, "pixels");

    [Test]
    public void EveryExpectedExceptionIsOneLine()
    {
        Exception[] expected =
        [
            new CheckpointException("a\nb"), new IOException("a b"), new InvalidDataException("a b"), new UnauthorizedAccessException("a b"),
            new ArgumentException("a b", "x"), new FileNotFoundException("a b"), new DeviceException("a b"), new DeviceLostException("a b"),
            new DeviceMemoryException("a b", "gpu", 3, 2, 1),
        ];
        foreach (var exception in expected) ToolRun.OfCommand(() => throw exception).AssertError(1, "error: a b");
        ToolRun.OfCommand(() => throw new TrainingDivergedException(12, double.NaN, 3)).AssertError(1, "diverged at step 12", "NaN");
        ToolRun.OfCommand(() => throw new OutOfMemoryException()).AssertError(1, "memory", "--batch");
        ToolRun.OfCommand(() => throw new OperationCanceledException()).AssertError(ExitCode.Interrupted, "interrupted");
        ToolRun.OfCommand(() => throw new UsageException("u")).AssertError(2, "error: u");
        ToolRun bug = ToolRun.OfCommand(() => throw new InvalidOperationException("oops"));
        Assert.That(bug, Has.Property("ExitCode").EqualTo(1).And.Property("Error").Contain("internal error (InvalidOperationException): oops").And.Property("Error").Contain("ND_DEBUG"));
        Assert.That(bug.Error, Does.Not.Contain("   at "));
    }
}
