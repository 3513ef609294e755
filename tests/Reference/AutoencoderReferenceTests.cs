using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>The autoencoder against the published implementation: moments, decoded image and its gradient towards the latents.</summary>
[TestFixture]
[Category("Reference")]
public sealed class AutoencoderReferenceTests
{
    private const string Prefix = "weights.";

    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.Autoencoder);

    [TestCaseSource(nameof(Cases))]
    public void The_architecture_is_inferred_from_shapes(ReferenceCase reference)
    {
        var config = Infer(reference);
        int Argument(string name) => reference.Config.GetProperty(name).GetInt32();
        Assert.That((config.Ch, config.ZChannels, config.NumResBlocks, config.InChannels, config.OutCh),
            Is.EqualTo((Argument("ch"), Argument("z_channels"), Argument("num_res_blocks"), Argument("in_channels"), Argument("out_ch"))));
        Assert.That(config.ChMult, Is.EqualTo(reference.Config.GetProperty("ch_mult").EnumerateArray().Select(m => m.GetInt32())));
    }

    [TestCaseSource(nameof(Cases))]
    public void Encoder_decoder_and_gradient_agree(ReferenceCase reference)
    {
        using var kernels = new CpuKernels(2);
        using var parameters = new Parameters(kernels);
        using var file = SafetensorsFile.Open(reference.Path);
        var network = new KlAutoencoder(Infer(reference));
        network.Declare(parameters);
        network.Read(file, Prefix, parameters, kernels);

        var b = new PlanBuilder(kernels, parameters);
        var image = b.Input("image", ShapeOf("in.image"));
        var z = b.Input("z", ShapeOf("in.z"));
        var moments = b.Output("moments", network.RecordEncoder(b, image));
        var decoded = b.Output("decoded", network.RecordDecoder(b, z));
        var cotangent = b.Input("cotangent", decoded.Shape);
        b.Backward(decoded, cotangent, parameters: false, z);
        var dz = b.Output("dz", b.GradientOf(z));
        using var plan = b.Build();
        kernels.Upload(Nhwc("in.image"), image.View);
        kernels.Upload(Nhwc("in.z"), z.View);
        kernels.Upload(Nhwc("cotangent"), cotangent.View);
        plan.Run();

        ReferenceCase.AssertClose(moments.View.Span.ToArray(), Nhwc("out.moments"), 2e-4, "moments");
        ReferenceCase.AssertClose(decoded.View.Span.ToArray(), Nhwc("out"), 2e-4, "decoded image");
        ReferenceCase.AssertClose(dz.View.Span.ToArray(), Nhwc("grad_in.z"), 2e-4, "gradient towards the latents");

        Shape ShapeOf(string name)
        {
            int[] e = [.. file.Find(name).Shape.Select(v => (int)v)];
            return new Shape(e[0], e[2], e[3], e[1]);
        }
        float[] Nhwc(string name)
        {
            var shape = ShapeOf(name);
            return ReferenceCase.ToNhwc(file.ReadFloat(name), shape[0], shape[3], shape[1], shape[2]);
        }
    }

    private static KlAutoencoderConfig Infer(ReferenceCase reference)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        var shapes = file.Tensors.Where(t => t.Name.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(t => t.Name[Prefix.Length..], t => t.Shape);
        return KlAutoencoderConfig.Infer(shapes) ?? throw new AssertionException("not recognised as an autoencoder");
    }
}
