using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>The U-Net against the published implementation: output, input gradient, every parameter's gradient.</summary>
[TestFixture]
[Category("Reference")]
public sealed class UNetReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.AdmUNet);

    [TestCaseSource(nameof(Cases))]
    public void Output_and_gradients_agree(ReferenceCase reference)
    {
        var config = ModelJson.Read<UNetConfig>(reference.Config.GetRawText());
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = new UNet(config);
        network.Declare(parameters);
        reference.LoadWeights(parameters, kernels);

        float[] timesteps = reference.Read("in.t");
        int n = timesteps.Length, size = config.ImageSize;
        float[] Image(string name, int channels) => ReferenceCase.ToNhwc(reference.Read(name), n, channels, size, size);
        var b = new PlanBuilder(kernels, parameters);
        var x = b.Input("x", new Shape(n, size, size, config.InChannels));
        var t = b.Input("t", new Shape(n));
        var y = config.NumClasses is null ? null : b.Input("y", new Shape(n));
        var output = b.Output("out", network.Record(b, x, t, y));
        var cotangent = b.Input("cotangent", output.Shape);
        b.Backward(output, cotangent, parameters: true, x);
        var dx = b.Output("dx", b.GradientOf(x));
        using var plan = b.Build();
        kernels.Upload(Image("in.x", config.InChannels), x.View);
        kernels.Upload(timesteps, t.View);
        if (y is not null) kernels.Upload([.. reference.Read("in.y").Select(v => (int)v)], y.View);
        kernels.Upload(Image("cotangent", config.OutChannels), cotangent.View);
        plan.Run();

        ReferenceCase.AssertClose(output.View.Span.ToArray(), Image("out", config.OutChannels), 2e-4, "output");
        ReferenceCase.AssertClose(dx.View.Span.ToArray(), Image("grad_in.x", config.InChannels), 2e-4, "input gradient");
        reference.AssertParameterGradients(parameters);
    }
}
