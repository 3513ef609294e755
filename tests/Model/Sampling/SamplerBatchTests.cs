using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

[TestFixture]
public sealed class SamplerBatchTests
{
    // 132 multiprocessors with two tiles of 128 x 64 each.
    private const long Multiprocessor = 2 * 128 * 64, H100 = 132 * Multiprocessor;

    [TestCase(2.4, 8, 8, Description = "digits: what caches hold")]
    [TestCase(4.8, 32, 4, Description = "small32: two thirds of the weights")]
    [TestCase(37.8, 404, 4, Description = "base64")]
    [TestCase(12.0, 0, 1)]
    [TestCase(6.0, 17.9, 2)]
    [TestCase(6.0, 36.1, 4)]
    [TestCase(500, 1, 1)]
    [TestCase(0.001, 0, 64)]
    public void The_batch_follows_from_the_bytes(double megabytesPerImage, double weightMegabytes, int images) =>
        Assert.That(SamplerBatch.ThatCachesHold((long)(1e6 * megabytesPerImage), (long)(1e6 * weightMegabytes)), Is.EqualTo(images));


    [TestCase("digits", H100, 80_000, 128)]
    [TestCase("small32", H100, 80_000, 64)]
    [TestCase("base64", H100, 80_000, 16)]
    [TestCase("base64", H100, 1_000, 8, Description = "half of the free memory holds no more")]
    [TestCase("base64", H100, 1, 1)]
    [TestCase("digits", 8 * Multiprocessor, 8_000, 4, Description = "a small device")]
    [TestCase("digits", 1_000_000 * Multiprocessor, 800_000, 256)]
    public void On_a_GPU_the_batch_is_what_fills_it_and_fits(string preset, long resultsAtOnce, long freeMegabytes, int images)
    {
        var network = new UNet(preset switch { "digits" => Presets.Digits, "small32" => Presets.Small32, _ => Presets.Base64 });
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        network.Declare(parameters);
        var b = new PlanBuilder(kernels, parameters);
        // The two rows of one guided image.
        var x = b.Input("x", new Shape(2, network.Config.ImageSize, network.Config.ImageSize, network.Config.InChannels));
        b.Output("prediction", network.Record(b, x, b.Input("timesteps", new Shape(2)), b.Input("labels", new Shape(2))));
        using var plan = b.Build();
        Assert.That(SamplerBatch.ThatFills(new DeviceCapacity(resultsAtOnce, freeMegabytes * 1_000_000), plan), Is.EqualTo(images));
    }
}
