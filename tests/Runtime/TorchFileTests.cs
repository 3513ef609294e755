using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Real files of PyTorch and NumPy against what PyTorch itself reads from them.</summary>
public sealed class TorchFileTests
{
    public static string Data(string name) => Path.Combine(AppContext.BaseDirectory, "Runtime", "Data", name);

    [TestCase("torch_zip.pt", "torch.expected.npz", "PyTorch zip")]
    [TestCase("torch_legacy.pt", "torch.expected.npz", "PyTorch legacy")]
    [TestCase("torch_module.pt", "torch_module.expected.npz", "PyTorch zip")]
    [TestCase("edm.pkl", "edm.expected.npz", "pickle")]
    public void Tensors_are_those_that_PyTorch_reads_in_order(string name, string expected, string container)
    {
        using var file = CheckpointFile.Open(Data(name));
        using var answer = CheckpointFile.Open(Data(expected));
        Assert.That(file.Container, Is.EqualTo(container));
        Assert.That(file.Tensors.Select(t => t.Name), Is.EqualTo(answer.Tensors.Select(t => t.Name)));
        AssertSame(file, answer);
    }

    [TestCase("torch_script.pt", "torch_module.expected.npz", "TorchScript")]
    [TestCase("torch_training.pt", "torch_training.expected.npz", "PyTorch zip")]
    public void Tensors_are_found_among_others(string name, string expected, string container)
    {
        using var file = CheckpointFile.Open(Data(name));
        using var answer = CheckpointFile.Open(Data(expected));
        Assert.That(file.Container, Is.EqualTo(container));
        AssertSame(file, answer);
    }

    private static void AssertSame(CheckpointFile file, CheckpointFile answer)
    {
        Assert.That(answer.Tensors, Is.Not.Empty);
        foreach (TensorInfo tensor in answer.Tensors)
        {
            TensorInfo found = file.Find(tensor.Name);
            Assert.That(found.Shape, Is.EqualTo(tensor.Shape), tensor.Name);
            Assert.That(found.DType, Is.EqualTo(tensor.Name == "bf16" ? DType.BF16 : tensor.DType), tensor.Name);
            Assert.That(file.ReadDouble(tensor.Name), Is.EqualTo(answer.ReadDouble(tensor.Name)), tensor.Name);
            Assert.That(file.ReadFloat(tensor.Name), Is.EqualTo(answer.ReadFloat(tensor.Name)), tensor.Name);
            if (!ElementConversion.IsFloatingPoint(tensor.DType))
                Assert.That(file.ReadInt64(tensor.Name), Is.EqualTo(answer.ReadInt64(tensor.Name)), tensor.Name);
        }
    }

    [Test]
    public void Plain_values_become_metadata()
    {
        using (var file = CheckpointFile.Open(Data("torch_zip.pt")))
        {
            Assert.That(file.Metadata["epoch"], Is.EqualTo("3"));
            Assert.That(file.Metadata["arch"], Is.EqualTo("resnet20"));
            Assert.That(file.Metadata["lr"], Is.EqualTo("-7.5"));
        }
        using (var file = CheckpointFile.Open(Data("torch_training.pt")))
            Assert.That(file.Metadata["args"], Is.EqualTo("""{"image_size":256,"model":"DiT-S/2"}"""));
        using (var file = CheckpointFile.Open(Data("edm.pkl")))
        {
            Assert.That(file.Metadata["ema.class_name"], Is.EqualTo("Precond"));
            Assert.That(file.Metadata["ema.init_kwargs"], Is.EqualTo("""{"img_resolution":8,"img_channels":3,"label_dim":10,"model_type":"DhariwalUNet"}"""));
        }
    }

    [Test]
    public void Settings_are_read_without_what_is_not_plain()
    {
        byte[] pickle = TorchBytes.Pickle("}X\u0004\0\0\0args}(X\u0009\0\0\0num_headsK\u0002X\u0006\0\0\0devicectorch\ndevice\n(X\u0003\0\0\0cputRX\u0009\0\0\0sigma_maxG\u007f\u00f0\0\0\0\0\0\0us");
        using var file = TorchBytes.Open(pickle);
        Assert.That(file.Metadata["args"], Is.EqualTo("""{"num_heads":2,"sigma_max":"Infinity"}"""));
    }

    [Test]
    public void A_view_renames_and_leaves_out()
    {
        using var file = CheckpointFile.Open(Data("torch_training.pt"));
        CheckpointFile average = file.Within("ema.");
        Assert.That(average.Tensors.Select(t => t.Name), Does.Contain("l.weight").And.None.StartsWith("model."));
        Assert.That(average.ReadFloat("l.weight"), Is.EqualTo(file.ReadFloat("ema.l.weight")));
        Assert.That(() => file.Renamed(_ => "same"), Throws.TypeOf<CheckpointException>().With.Message.Contains("both stand for 'same'"));
    }

    [Test]
    public void Tensors_are_read_in_pieces([Values("permuted", "sliced", "channels_last", "f16", "expanded")] string name)
    {
        using var file = CheckpointFile.Open(Data("torch_zip.pt"));
        float[] whole = file.ReadFloat(name), pieces = new float[whole.Length];
        using var reader = file.OpenTensor(name);
        for (int i = 0; i < whole.Length; i += 5)
            reader.Read(pieces.AsSpan(i, Math.Min(5, whole.Length - i)));
        Assert.That(pieces, Is.EqualTo(whole));
        Assert.That(() => reader.Read(new float[1]), Throws.TypeOf<CheckpointException>().With.Message.Contains("0 are left"));
    }
}
