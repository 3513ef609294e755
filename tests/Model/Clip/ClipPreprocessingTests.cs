using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Clip;

[TestFixture]
public sealed class ClipPreprocessingTests
{
    private static readonly double[] Mean = [0.48145466, 0.4578275, 0.40821073], Deviation = [0.26862954, 0.26130258, 0.27577711];

    /// <summary>Bytes after the resize and the crop, as the Python Imaging Library gives them for <see cref="Picture"/>.</summary>
    private static readonly object[] Published =
    [
        new object[] { 11, 7, 3, new[] { 123, 125, 162, 132, 168, 116, 104, 141, 88, 128, 122, 115, 105, 144, 99, 126, 156, 119, 96, 146, 117, 105, 126, 129, 122, 104, 143 } },
        new object[] { 5, 8, 4, new[] {
            155, 182, 123, 192, 99, 165, 140, 143, 117, 125, 182, 103, 72, 115, 110, 147, 75, 132, 135, 116, 68, 129, 191, 70,
            130, 185, 144, 115, 165, 68, 61, 115, 137, 77, 134, 112, 104, 159, 109, 58, 126, 128, 154, 118, 115, 118, 137, 87 } },
        new object[] { 3, 2, 4, new[] {
            0, 49, 102, 13, 64, 117, 55, 113, 166, 119, 190, 243, 24, 78, 131, 41, 98, 151, 85, 126, 179, 150, 159, 212,
            78, 135, 188, 97, 164, 217, 143, 151, 204, 210, 99, 152, 105, 164, 217, 125, 198, 251, 173, 164, 217, 241, 68, 121 } },
        new object[] { 40, 30, 3, new[] { 122, 127, 130, 128, 126, 131, 126, 138, 139, 131, 126, 134, 124, 128, 128, 121, 129, 140, 130, 124, 128, 128, 123, 126, 116, 121, 141 } },
    ];

    [TestCaseSource(nameof(Published))]
    public void Pictures_become_the_published_bytes(int width, int height, int resolution, int[] expected) =>
        Assert.That(Bytes(ClipPreprocessing.Apply(Picture(width, height), resolution)), Is.EqualTo(expected));

    [Test]
    public void A_larger_picture_has_the_published_sums()
    {
        int[] bytes = Bytes(ClipPreprocessing.Apply(Picture(200, 131), 64));
        Assert.That(bytes.Sum(), Is.EqualTo(1_565_683));
        Assert.That(bytes.Select((v, i) => (long)v * (i % 997 + 1)).Sum(), Is.EqualTo(768_227_740));
    }

    [Test]
    public void Images_of_a_plan_are_normalised_alike()
    {
        var picture = Picture(6, 6);
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(1, 6, 6, 3));
        var y = b.Output("y", ClipPreprocessing.Record(b, x, 6));
        var resized = b.Output("resized", ClipPreprocessing.Record(b, x, 4));
        using var plan = b.Build();
        kernels.Upload([.. picture.Pixels.ToArray().Select(v => v / 127.5f - 1)], x.View);
        plan.Run();
        Assert.That(y.View.Span.ToArray(), Is.EqualTo(ClipPreprocessing.Apply(picture, 6)).Within(1e-5));
        float[] rounded = ClipPreprocessing.Apply(picture, 4);
        // Bytes are rounded, and clamped at both ends, after each direction.
        Assert.That(resized.View.Span.ToArray().Zip(rounded, (a, r) => Math.Abs(a - r)).Order().ElementAt(rounded.Length / 2), Is.LessThan(0.02));
    }

    private static Image Picture(int width, int height)
    {
        byte[] pixels = new byte[width * height * 3];
        for (int i = 0; i < pixels.Length; i++)
        {
            int c = i % 3, x = i / 3 % width, y = i / 3 / width;
            pixels[i] = (byte)(x * x * 37 + y * 91 + c * 53 + x * y * 7);
        }
        return new Image(width, height, 3, pixels);
    }

    private static int[] Bytes(float[] normalised) => [.. normalised.Select((v, i) => (int)Math.Round((v * Deviation[i % 3] + Mean[i % 3]) * 255))];
}
