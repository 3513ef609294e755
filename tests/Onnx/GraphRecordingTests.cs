using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Onnx;

/// <summary>Graphs of many operators against their definition in double: the result, the gradient towards the images, and images in a batch.</summary>
public sealed class GraphRecordingTests
{
    private static readonly (string Name, int[] Input, Action<OnnxFile> Build)[] Graphs =
    [
        ("uneven pads, BatchNormalization, residual", [1, 3, 7, 7], f =>
        {
            string a = f.Node("Conv", ["x", f.Weight("a", 0.4, 8, 3, 3, 3)], ("pads", new[] { 1, 1, 0, 0 }), ("strides", new[] { 2, 2 }));
            a = f.Node("Relu", [Normed(f, a, "n1", 8)]);
            string b = Normed(f, f.Node("Conv", [a, f.Weight("b", 0.3, 8, 8, 3, 3)], ("pads", new[] { 1, 1, 1, 1 })), "n2", 8);
            string c = f.Node("Conv", ["x", f.Weight("c", 0.4, 8, 3, 1, 1), f.Weight("cb", 0.2, 8)], ("strides", new[] { 2, 2 }));
            f.Node("AveragePool", [f.Node("Relu", [f.Node("Add", [b, f.Node("Slice", [f.Node("Slice", [c, f.Integers("s0", 0), f.Integers("s3", 3), f.Integers("a2", 2), f.Integers("one", 1)]), "s0", "s3", f.Integers("a3", 3), "one"])])])], ("kernel_shape", new[] { 2, 2 }), ("strides", new[] { 1, 1 }));
        }),
        ("groups, depthwise, dilation, uneven strides", [1, 8, 6, 6], f =>
        {
            string a = f.Node("Conv", ["x", f.Weight("a", 0.4, 12, 4, 3, 3), f.Weight("ab", 0.3, 12)], ("group", 2), ("pads", new[] { 1, 1, 1, 1 }));
            a = f.Node("Conv", [a, f.Weight("b", 0.5, 12, 1, 3, 3), f.Weight("bb", 0.3, 12)], ("group", 12), ("pads", new[] { 2, 1, 2, 1 }), ("dilations", new[] { 2, 1 }));
            a = f.Node("Conv", [Normed(f, a, "n", 12), f.Weight("c", 0.5, 6, 12, 2, 3)], ("strides", new[] { 1, 2 }), ("pads", new[] { 0, 1, 1, 0 }));
            a = f.Node("Conv", [a, f.Weight("d", 0.5, 12, 1, 1, 1)], ("group", 6));
            f.Node("Conv", [a, f.Weight("e", 0.5, 6, 2, 2, 2)], ("group", 6), ("dilations", new[] { 2, 2 }));
        }),
        ("pools: ceiling, padding, several sizes", [1, 3, 9, 9], f =>
        {
            string a = f.Node("MaxPool", ["x"], ("kernel_shape", new[] { 2, 3 }), ("strides", new[] { 2, 2 }), ("ceil_mode", 1));
            string b = f.Node("AveragePool", ["x"], ("kernel_shape", new[] { 3, 3 }), ("strides", new[] { 2, 2 }), ("pads", new[] { 1, 1, 1, 1 }), ("count_include_pad", 1));
            string c = f.Node("AveragePool", ["x"], ("kernel_shape", new[] { 3, 3 }), ("strides", new[] { 2, 2 }), ("pads", new[] { 1, 1, 1, 1 }));
            string d = f.Node("MaxPool", ["x"], ("kernel_shape", new[] { 3, 3 }), ("strides", new[] { 2, 2 }), ("pads", new[] { 1, 1, 1, 1 }));
            f.Node("Concat", [f.Node("Pad", [a, f.Integers("p", 0, 0, 0, 0, 0, 0, 0, 1)]), b, c, d], ("axis", 1));
        }),
        ("pre-activation, squeeze and excitation", [1, 4, 5, 5], f =>
        {
            string a = f.Node("Relu", [Normed(f, "x", "n", 4)]);
            string gate = f.Node("Sigmoid", [f.Node("Conv", [f.Node("GlobalAveragePool", [a]), f.Weight("a", 1, 4, 4, 1, 1), f.Weight("ab", 1, 4)])]);
            a = f.Node("HardSwish", [f.Node("Mul", [a, gate])]);
            f.Node("ReduceMax", [f.Node("LeakyRelu", [a], ("alpha", 0.1f))], ("axes", new[] { 3 }));
        }),
        ("a vision transformer's block", [1, 3, 8, 8], f =>
        {
            string t = f.Node("Conv", ["x", f.Weight("a", 0.2, 12, 3, 4, 4), f.Weight("ab", 0.2, 12)], ("strides", new[] { 4, 4 }));
            string shape = f.Node("Concat", [f.Node("Unsqueeze", [f.Node("Gather", [f.Node("Shape", [t]), f.Add("zero", [], OnnxTypeInt64, new byte[8])]), f.Integers("u", 0)]), f.Integers("tail", 12, -1)], ("axis", 0));
            t = f.Node("Transpose", [f.Node("Reshape", [t, shape])], ("perm", new[] { 0, 2, 1 }));
            t = f.Node("Concat", [f.Weight("class", 1, 1, 1, 12), t], ("axis", 1));
            t = f.Node("Add", [t, f.Weight("places", 1, 1, 5, 12)]);
            string h = f.Node("LayerNormalization", [t, f.Positive("lg", 12), f.Weight("lb", 0.3, 12)]);
            string qkv = f.Node("Add", [f.Node("MatMul", [h, f.Weight("qkv", 0.4, 12, 36)]), f.Weight("qkvb", 0.2, 36)]);
            string[] parts = f.Node("Split", [qkv, f.Integers("thirds", 12, 12, 12)], 3, ("axis", 2));
            string Heads(string v, int[] perm) => f.Node("Transpose", [f.Node("Reshape", [v, "heads"])], ("perm", perm));
            f.Integers("heads", 0, 5, 2, 6);
            string scores = f.Node("Mul", [f.Node("MatMul", [Heads(parts[0], [0, 2, 1, 3]), Heads(parts[1], [0, 2, 3, 1])]), f.Weight("scale", [], [0.4f])]);
            string mixed = f.Node("MatMul", [f.Node("Softmax", [scores], ("axis", -1)), Heads(parts[2], [0, 2, 1, 3])]);
            mixed = f.Node("Reshape", [f.Node("Transpose", [mixed], ("perm", new[] { 0, 2, 1, 3 })), f.Integers("joined", 0, 5, 12)]);
            t = f.Node("Add", [t, mixed]);
            f.Node("Gather", [t, f.Add("first", [], OnnxTypeInt64, new byte[8])], ("axis", 1));
        }),
        ("norms of groups, resizing, padding", [1, 4, 4, 4], f =>
        {
            string a = f.Node("Conv", [f.Node("Pad", ["x", f.Integers("p", 0, 0, 1, 1, 0, 0, 1, 1)], ("mode", "reflect")), f.Weight("a", 0.4, 4, 4, 3, 3)]);
            a = f.Node("GroupNormalization", [a, f.Positive("g", 4), f.Weight("s", 0.4, 4)], ("num_groups", 2));
            a = f.Node("Resize", [a, "", f.Weight("scales", [4], [1, 1, 2, 2])], ("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor"));
            a = f.Node("InstanceNormalization", [f.Node("Tanh", [a]), f.Positive("g2", 4), f.Weight("s2", 0.4, 4)]);
            f.Node("ConvTranspose", [f.Node("Slice", [a, f.Integers("s0", 1), f.Integers("s1", 8), f.Integers("ax", 2), f.Integers("step", 3)]), f.Weight("t", 0.5, 4, 3, 3, 3)], ("strides", new[] { 2, 2 }), ("pads", new[] { 1, 0, 0, 1 }));
        }),
        ("element by element, repeated", [1, 2, 3, 3], f =>
        {
            string a = f.Node("Clip", [f.Node("Elu", [f.Node("Sub", ["x", f.Weight("mean", 1, 2, 1, 1)])]), f.Weight("low", [], [-0.9f]), f.Weight("high", [], [2])]);
            string variance = f.Node("ReduceMean", [f.Node("Pow", [a, f.Weight("two", [], [2])])], ("axes", new[] { -1 }));
            a = f.Node("Div", [a, f.Node("Sqrt", [f.Node("Add", [variance, f.Weight("epsilon", [], [0.1f])])])]);
            a = f.Node("Max", [a, f.Node("Mul", ["x", f.Weight("picture", 1, 2, 3, 3)])]);
            a = f.Node("Gemm", [f.Node("Flatten", [a]), f.Weight("w", 0.4, 18, 7), f.Weight("wb", 0.4, 7)], ("alpha", 0.5f));
            f.Node("Exp", [a]);
        }),
    ];

    private const NativeDiffusion.Onnx.Format.OnnxType OnnxTypeInt64 = NativeDiffusion.Onnx.Format.OnnxType.Int64;

    private static IEnumerable<string> Names => Graphs.Select(g => g.Name);

    [TestCaseSource(nameof(Names))]
    public void It_is_what_its_operators_say(string name)
    {
        var (_, dims, build) = Graphs.Single(g => g.Name == name);
        string path = Path.GetTempFileName() + ".onnx";
        try
        {
            var file = new OnnxFile(17, dims);
            build(file);
            file.Save(path);
            using var kernels = new CpuKernels(1);
            using var network = OnnxNetwork.Load(path, kernels);
            var oracle = new NodeOracle(OnnxGraph.Load(path));
            int c = dims[1], s = dims[2], count = c * s * s, results = network.OutputCount;
            // The file is for one image; three are recorded together or one by one.
            const int Images = 3;
            var random = new Random(3);
            float[] images = [.. Enumerable.Range(0, Images * count).Select(_ => (float)(random.NextDouble() * 2 - 1))], cotangents = [.. Enumerable.Range(0, Images * results).Select(_ => (float)(random.NextDouble() * 2 - 1))];
            var b = new PlanBuilder(kernels, network.Parameters);
            Tensor x = b.Input("x", new Shape(Images, s, s, c)), dy = b.Input("dy", new Shape(Images, results)), y = b.Output("y", network.Record(b, x));
            b.Backward(y, dy, parameters: network.Parameters.Items.Count > 0, x);
            b.Output("dx", b.GradientOf(x));
            using var plan = b.Build();
            kernels.Upload(images, x.View);
            kernels.Upload(cotangents, dy.View);
            plan.Run();
            float[] got = new float[Images * results], gradient = new float[Images * count];
            kernels.Download(plan.Output("y"), got);
            kernels.Download(plan.Output("dx"), gradient);
            for (int n = 0; n < Images; n++)
            {
                double[] image = Planes(images.AsSpan(n * count, count), s, c);
                double[] Result() => oracle.Run(image, dims)[network.Output].Data;
                Assert.That(got[(n * results)..((n + 1) * results)], Is.EqualTo(Result()).Within(2e-5 * (1 + Result().Max(Math.Abs))), $"image {n}");
                if (n == 1) continue;
                double[] expected = FiniteDifference.Gradient(image, () => Result().Zip(cotangents[(n * results)..((n + 1) * results)], (v, w) => v * w).Sum());
                Assert.That(Planes(gradient.AsSpan(n * count, count), s, c), Is.EqualTo(expected).Within(2e-4 * (1 + expected.Max(Math.Abs))), $"gradient of image {n}");
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>[H,W,C] to [C,H,W].</summary>
    private static double[] Planes(ReadOnlySpan<float> image, int size, int channels)
    {
        double[] planes = new double[image.Length];
        for (int i = 0; i < image.Length; i++) planes[i % channels * size * size + i / channels] = image[i];
        return planes;
    }

    private static string Normed(OnnxFile f, string x, string name, int channels) =>
        f.Node("BatchNormalization", [x, f.Positive(name + "g", channels), f.Weight(name + "s", 0.3, channels), f.Weight(name + "m", 0.3, channels), f.Positive(name + "v", channels)]);
}
