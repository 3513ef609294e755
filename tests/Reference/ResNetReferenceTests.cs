using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>ResNets against the published implementation, with ReLU and with softplus: logits, and input gradients of what guidance uses.</summary>
[TestFixture]
[Category("Reference")]
public sealed class ResNetReferenceTests
{
    private const string Prefix = "weights.";

    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.ResNet);

    [TestCaseSource(nameof(Cases))]
    public void The_architecture_is_inferred_from_shapes(ReferenceCase reference)
    {
        var config = Infer(reference);
        Assert.That(config.Block == ResNetBlock.Bottleneck ? "Bottleneck" : "BasicBlock", Is.EqualTo(reference.Config.GetProperty("block").GetString()));
        Assert.That(config.Layers, Is.EqualTo(reference.Config.GetProperty("layers").EnumerateArray().Select(l => l.GetInt32())));
        Assert.That(config.Classes, Is.EqualTo(reference.Config.GetProperty("num_classes").GetInt32()));
    }

    [TestCaseSource(nameof(Cases))]
    public void Relu_agrees(ReferenceCase reference) => Check(reference, double.PositiveInfinity, "relu", "grad_log_prob_relu.x");

    [TestCaseSource(nameof(Cases))]
    public void Softplus_agrees(ReferenceCase reference) => Check(reference, Setting(reference, "softplus_beta"), "softplus", "grad_log_prob.x");

    private static double Setting(ReferenceCase reference, string name) => reference.Config.GetProperty(name).GetDouble();

    private static ResNetConfig Infer(ReferenceCase reference)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        var shapes = file.Tensors.Where(t => t.Name.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(t => t.Name[Prefix.Length..], t => t.Shape);
        return ResNetConfig.Infer(shapes) ?? throw new AssertionException("not recognised as a ResNet");
    }

    private static void Check(ReferenceCase reference, double softplusBeta, string output, string logProb)
    {
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        using var file = SafetensorsFile.Open(reference.Path);
        var config = Infer(reference);
        var network = new ResNet(config);
        network.Declare(parameters);
        network.Read(file, Prefix, parameters, kernels);

        int[] extents = [.. file.Find("in.x").Shape.Select(e => (int)e)];
        int n = extents[0], height = extents[2], width = extents[3];
        float[] Image(string name) => ReferenceCase.ToNhwc(file.ReadFloat(name), n, config.InChannels, height, width);
        var b = new PlanBuilder(kernels, parameters);
        var x = b.Input("x", new Shape(n, height, width, config.InChannels));
        var logits = b.Output("logits", network.Record(b, x, softplusBeta));
        var cotangent = b.Input("cotangent", logits.Shape);
        b.Backward(logits, cotangent, parameters: false, x);
        var dx = b.Output("dx", b.GradientOf(x));
        using var plan = b.Build();
        kernels.Upload(Image("in.x"), x.View);
        plan.Run();
        float[] got = logits.View.Span.ToArray();
        ReferenceCase.AssertClose(got, file.ReadFloat("out." + output), 2e-4, "logits");

        int compared = 0;
        Compare(logProb, 1, 1);
        if (output == "softplus" && file.Contains("grad_guidance.x")) Compare("grad_guidance.x", Setting(reference, "joint_temperature"), Setting(reference, "marginal_temperature"));
        Assert.That(compared, Is.Positive, "gradients in the file");

        // The gradient of joint f_y - log(sum over i of e^(marginal f_i)).
        void Compare(string name, double joint, double marginal)
        {
            if (!file.Contains(name)) return;
            long[] labels = file.ReadInt64("in.y");
            float[] gradient = new float[got.Length];
            for (int row = 0; row < n; row++)
            {
                var f = got.AsSpan(row * config.Classes, config.Classes).ToArray();
                double most = f.Max(), sum = f.Sum(v => Math.Exp(marginal * (v - most)));
                for (int i = 0; i < f.Length; i++)
                    gradient[row * f.Length + i] = (float)((i == labels[row] ? joint : 0) - marginal * Math.Exp(marginal * (f[i] - most)) / sum);
            }
            kernels.Upload(gradient, cotangent.View);
            plan.Run();
            ReferenceCase.AssertClose(dx.View.Span.ToArray(), Image(name), 2e-4, name);
            compared++;
        }
    }
}
