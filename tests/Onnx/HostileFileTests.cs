using System.Diagnostics;
using Google.Protobuf;
using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx;
using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Onnx;

/// <summary>Files that are damaged, incomplete or made to harm are refused, in words, and in no time.</summary>
public sealed class HostileFileTests
{
    private string _folder = "";

    [SetUp]
    public void SetUp() => _folder = Directory.CreateTempSubdirectory("nd-onnx").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Circles_missing_inputs_and_unknown_operators_are_named()
    {
        AssertRefused(f => f.Model.Graph!.Nodes[0].Inputs[0] = f.Model.Graph.Nodes[1].Outputs[0], "in a circle", "Conv0");
        AssertRefused(f => f.Model.Graph!.Nodes[0].Inputs[0] = "gone", "'gone'", "not complete");
        AssertRefused(f => f.Model.Graph!.Nodes[1].OpType = "Loop", "'Loop'", "Relu1", "opset 13", "docs/onnx.md");
        AssertRefused(f => f.Model.Graph!.Nodes[1].Domain = "com.microsoft", "'com.microsoft.Relu'", "own operators");
        AssertRefused(f => f.Model.OpsetImport[0].Version = 3, "opset 3", "version_converter");
        AssertRefused(f => f.Model.Graph!.Nodes[1].Outputs[0] = f.Model.Graph.Nodes[0].Outputs[0], "exists already");
        AssertRefused(f => f.Model.Graph!.Outputs.Add(OnnxFile.Info("nowhere")), "'nowhere'");
    }

    [Test]
    public void Shapes_that_no_memory_holds_are_refused_before_it_is_asked_for()
    {
        AssertRefused(f => f.Model.Graph!.Initializers[0].Dims[0] = 1L << 40, "extents");
        AssertRefused(f => f.Model.Graph!.Initializers[0].Dims[0] = 1 << 20, "bytes do not hold");
        AssertRefused(f => f.Model.Graph!.Inputs[0].Type!.Tensor!.Shape!.Dimensions[2].Value = long.MaxValue, "no memory holds");
        AssertRefused(f =>
        {
            string huge = f.Node("ConstantOfShape", [f.Integers("huge", 1 << 20, 1 << 20)]);
            f.Model.Graph!.Nodes[^1].Outputs[0] = huge;
            f.Node("Add", [f.Model.Graph.Nodes[^2].Outputs[0], huge]);
        }, "ConstantOfShape", "elements");
        AssertRefused(f => f.Node("Expand", [f.Model.Graph!.Nodes[^1].Outputs[0], f.Integers("wide", 1 << 20, 1 << 14, 3)]), "Expand");
        AssertRefused(f => f.Model.Graph!.Nodes[0].Attributes.Single(a => a.Name == "strides").Integers[0] = 0, "strides");
        AssertRefused(f => f.Model.Graph!.Nodes[0].Attributes.Single(a => a.Name == "pads").Integers[0] = -4, "pads");
    }

    [Test]
    public void Weights_of_other_files_stay_in_the_folder()
    {
        File.WriteAllBytes(Path.Combine(_folder, "weights.bin"), new byte[8 * 3 * 9 * 4]);
        using (var kernels = new CpuKernels(1))
        using (var network = OnnxNetwork.Load(Written(f => External(f, "weights.bin")), kernels)) Assert.That(network.OutputCount, Is.EqualTo(5));
        AssertRefused(f => External(f, "../weights.bin"), "not inside the folder");
        AssertRefused(f => External(f, Path.Combine(Path.GetTempPath(), "weights.bin")), "not inside the folder");
        AssertRefused(f => External(f, "gone.bin"), "no such file");
        File.WriteAllBytes(Path.Combine(_folder, "short.bin"), new byte[100]);
        AssertRefused(f => External(f, "short.bin"), "bytes");
        string outside = Directory.CreateTempSubdirectory("nd-outside").FullName;
        File.WriteAllBytes(Path.Combine(outside, "w.bin"), new byte[8 * 3 * 9 * 4]);
        File.CreateSymbolicLink(Path.Combine(_folder, "link.bin"), Path.Combine(outside, "w.bin"));
        AssertRefused(f => External(f, "link.bin"), "a link that leaves the folder");
        Directory.Delete(outside, recursive: true);
    }

    [Test]
    public void Every_damaged_file_is_refused_or_read()
    {
        byte[] whole = File.ReadAllBytes(Written(_ => { }));
        string path = Path.Combine(_folder, "damaged.onnx");
        var random = new Random(9);
        using var kernels = new CpuKernels(1);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < 120; i++)
        {
            byte[] bytes = i % 3 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            // Weights are most of the bytes, and names say more.
            for (int k = 0; k < 1 + i % 4 && bytes.Length > 0; k++) bytes[random.Next(i % 2 == 0 ? bytes.Length : Math.Min(bytes.Length, 900))] = (byte)random.Next(256);
            File.WriteAllBytes(path, bytes);
            try
            {
                OnnxNetwork.Load(path, kernels).Dispose();
            }
            catch (Exception e) when (e is CheckpointException or ArgumentException)
            {
                Assert.That(e.Message, Does.Contain("damaged.onnx"));
            }
        }
        Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromMinutes(2)));
    }

    [Test]
    public void Messages_in_messages_end()
    {
        // Each level is a graph in an attribute of a node: field 7 of the model, 1 of the graph, 5 of the node, 6 of the attribute.
        byte[] inner = [];
        for (int i = 0; i < 400; i++)
            foreach (int field in (int[])[6, 5, 1]) inner = Nested(field, inner);
        string path = Path.Combine(_folder, "deep.onnx");
        File.WriteAllBytes(path, Nested(7, inner));
        using var kernels = new CpuKernels(1);
        Assert.That(() => OnnxNetwork.Load(path, kernels), Throws.TypeOf<CheckpointException>());
    }

    private static byte[] Nested(int field, byte[] inner)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            output.WriteTag(field, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(inner));
        }
        return stream.ToArray();
    }

    private static void External(OnnxFile file, string location)
    {
        var tensor = file.Model.Graph!.Initializers[0];
        (tensor.Raw, tensor.IsExternal) = (null, true);
        tensor.External.Add(new EntryProto { Key = "location", Value = location });
    }

    private string Written(Action<OnnxFile> change)
    {
        string path = Path.Combine(_folder, "model.onnx");
        var file = OnnxFile.Classifier(3, 8, 5, batch: 1);
        change(file);
        file.Save(path);
        return path;
    }

    private void AssertRefused(Action<OnnxFile> change, params string[] texts)
    {
        string path = Written(change);
        using var kernels = new CpuKernels(1);
        string message = Assert.Throws<CheckpointException>(() => OnnxNetwork.Load(path, kernels).Dispose())!.Message;
        foreach (string text in texts) Assert.That(message, Does.Contain(text));
        Assert.That(message, Does.Contain("model.onnx"));
    }
}
