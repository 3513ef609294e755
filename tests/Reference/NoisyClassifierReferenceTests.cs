using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Noisy classifiers against the published implementation: logits, and the gradient that guidance uses.</summary>
[TestFixture]
[Category("Reference")]
public sealed class NoisyClassifierReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.AdmClassifier);

    [TestCaseSource(nameof(Cases))]
    public void Logits_and_gradients_agree(ReferenceCase reference)
    {
        var config = ModelJson.Read<EncoderUNetConfig>(reference.Config.GetRawText());
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        var network = new EncoderUNet(config);
        network.Declare(parameters);
        reference.LoadWeights(parameters, kernels);

        float[] timesteps = reference.Read("in.t");
        int n = timesteps.Length, size = config.ImageSize;
        float[] Image(string name) => ReferenceCase.ToNhwc(reference.Read(name), n, config.InChannels, size, size);
        bool logProbability = reference.Has("grad_log_prob.x");
        var b = new PlanBuilder(kernels, parameters);
        var x = b.Input("x", new Shape(n, size, size, config.InChannels));
        var t = b.Input("t", new Shape(n));
        var logits = b.Output("logits", network.Record(b, x, t));
        var output = logProbability ? b.LogSoftmax(logits) : logits;
        var cotangent = b.Input("cotangent", output.Shape);
        b.Backward(output, cotangent, parameters: reference.Has("cotangent"), x);
        var dx = b.Output("dx", b.GradientOf(x));
        using var plan = b.Build();
        kernels.Upload(Image("in.x"), x.View);
        kernels.Upload(timesteps, t.View);
        // The gradient of a log-probability is that of its sum over the batch, at the labels.
        float[] weights = logProbability ? new float[n * config.OutChannels] : reference.Read("cotangent");
        if (logProbability)
        {
            float[] labels = reference.Read("in.y");
            for (int i = 0; i < n; i++) weights[i * config.OutChannels + (int)labels[i]] = 1;
        }
        kernels.Upload(weights, cotangent.View);
        plan.Run();

        ReferenceCase.AssertClose(logits.View.Span.ToArray(), reference.Read("out"), 2e-4, "logits");
        ReferenceCase.AssertClose(dx.View.Span.ToArray(), Image(logProbability ? "grad_log_prob.x" : "grad_in.x"), 2e-4, "input gradient");
        if (reference.Has("cotangent") && !logProbability) reference.AssertParameterGradients(parameters);
    }
}
