using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

public sealed class WeightFileTests
{
    private CpuKernels _kernels = null!;
    private string _path = "";

    [SetUp]
    public void Start()
    {
        _kernels = new CpuKernels(1);
        _path = Path.GetTempFileName();
    }

    [TearDown]
    public void End()
    {
        _kernels.Dispose();
        File.Delete(_path);
    }

    private Parameters Declare()
    {
        var parameters = new Parameters(_kernels);
        parameters.Add("conv", new Shape(70, 3, 2, 400)); // several windows, the last one not full
        parameters.Add("point", new Shape(4, 1, 1, 5));
        parameters.Add("linear", new Shape(300, 500), default, 300, 500, 1);
        parameters.Add("bias", new Shape(7));
        return parameters;
    }

    [Test]
    public void Convolutions_are_permuted_and_everything_returns([Values(DType.F32, DType.F16)] DType type, [Values("", "net.")] string prefix)
    {
        using var parameters = Declare();
        foreach (var p in parameters.Items)
            _kernels.Upload([.. Enumerable.Range(0, (int)p.Shape.Count).Select(i => (float)(i % 2039 - 1000))], parameters.ValueOf(p));
        SafetensorsWriter.Write(_path, WeightFile.Entries(parameters, _kernels, prefix, type));
        using var file = CheckpointFile.Open(_path);
        float[] published = file.ReadFloat(prefix + "conv"), here = parameters.ValueOf(parameters["conv"]).Span.ToArray();
        for (int o = 0; o < 70; o += 23)
            for (int c = 0; c < 400; c += 57)
                for (int tap = 0; tap < 6; tap++)
                    Assert.That(published[(o * 400 + c) * 6 + tap], Is.EqualTo(here[(o * 6 + tap) * 400 + c]));
        Assert.That(file.Find(prefix + "conv").Shape, Is.EqualTo(new long[] { 70, 400, 3, 2 }));

        using var back = Declare();
        WeightFile.Read(file, prefix, back, _kernels);
        Assert.That(back.Values.Span.ToArray(), Is.EqualTo(parameters.Values.Span.ToArray()));
        using var clone = parameters.Clone();
        Assert.That(clone.Values.Span.ToArray(), Is.EqualTo(parameters.Values.Span.ToArray()));
    }

    [Test]
    public void The_first_five_differences_are_named()
    {
        using var parameters = Declare();
        TensorEntry Zeros(string name, params long[] shape) => TensorEntry.Of(name, shape, new float[shape.Aggregate(1L, (a, b) => a * b)]);
        SafetensorsWriter.Write(_path,
        [
            Zeros("n.conv", 70, 400, 3, 3), Zeros("n.point", 4, 5), Zeros("n.x1", 1), Zeros("n.x2", 2), Zeros("n.x3", 3), Zeros("n.steps", 1), Zeros("other", 1),
        ]);
        using var file = CheckpointFile.Open(_path);
        Assert.That(() => WeightFile.Read(file, "n.", parameters, _kernels, name => name == "steps"),
            Throws.TypeOf<CheckpointException>().With.Message.EqualTo($"{_path}: its tensors are not those of this architecture: "
                + "'n.conv' is [70,400,3,3] instead of [70,400,3,2]; 'n.linear' [300,500,1] is missing; 'n.bias' [7] is missing; "
                + "'n.x1' F32 [1] is superfluous; 'n.x2' F32 [2] is superfluous; and 1 more differences."));
    }

    [Test]
    public void Buffers_are_skipped_and_trailing_ones_do_not_matter()
    {
        using var parameters = new Parameters(_kernels);
        parameters.Add("qkv", new Shape(3, 2), default, 3, 2, 1);
        SafetensorsWriter.Write(_path, [TensorEntry.Of("qkv", [3, 2], new[] { 1f, 2, 3, 4, 5, 6 }), TensorEntry.Of("freqs", [1], new float[1])]);
        using var file = CheckpointFile.Open(_path);
        WeightFile.Read(file, "", parameters, _kernels, name => name == "freqs");
        Assert.That(parameters.ValueOf(parameters["qkv"]).Span.ToArray(), Is.EqualTo(new[] { 1f, 2, 3, 4, 5, 6 }));
    }
}
