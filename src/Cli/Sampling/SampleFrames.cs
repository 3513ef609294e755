using System.Diagnostics;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli;

/// <summary>What the model takes the images for at each step: a grid that is written anew as they come, and an animation of all steps.</summary>
/// <param name="model">The model.</param>
/// <param name="decoder">Of a model of latents.</param>
/// <param name="selection">What is drawn.</param>
/// <param name="blank">An image in place of one that is not begun.</param>
/// <param name="preview">PNG file for the grid; null for none.</param>
/// <param name="animation">PNG file for the animation; null for none.</param>
internal sealed class SampleFrames(DiffusionModel model, LatentDecoder? decoder, SampleSelection selection, Image blank, string? preview, string? animation)
{
    private const int FrameMilliseconds = 80, LastMilliseconds = 2000;
    private const long MostBytes = 1L << 30;
    private static readonly TimeSpan BetweenPreviews = TimeSpan.FromSeconds(1);

    private readonly Image[] _now = [.. Enumerable.Repeat(blank, selection.Requests.Count)];
    private readonly List<Image[]> _steps = [];
    private long _lastPreview;

    /// <summary>Checks before the work that files can be written and that all steps can be kept.</summary>
    /// <exception cref="UsageException">They are too many.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Require(int steps)
    {
        foreach (string? path in new[] { preview, animation })
        {
            if (path is null) continue;
            if (!path.EndsWith(".png", StringComparison.OrdinalIgnoreCase)) throw new UsageException($"{(path == preview ? "--preview" : "--animation")} writes a PNG file (animations are PNG, too); got '{path}'.");
            WritableFolder.RequireFor(path);
        }
        long bytes = (long)blank.Pixels.Length * _now.Length * steps;
        if (animation is not null && bytes > MostBytes) throw new UsageException($"--animation would keep {bytes / 1e9:0.0} GB of {steps} steps; take fewer images or steps.");
    }

    /// <summary>Takes an evaluation into account.</summary>
    public void Observe(SamplerObservation observation)
    {
        int count = observation.Denoised.Shape[0];
        float[] pixels = new float[observation.Denoised.Shape.Count];
        model.Kernels.Download(observation.Denoised, pixels);
        int row = pixels.Length / count, step = observation.Moment.Step;
        for (int i = 0; i < count; i++) _now[observation.First + i] = ToImage(pixels.AsSpan(i * row, row));
        if (animation is not null)
        {
            while (_steps.Count <= step) _steps.Add([.. Enumerable.Repeat(blank, _now.Length)]);
            for (int i = 0; i < count; i++) _steps[step][observation.First + i] = _now[observation.First + i];
        }
        if (preview is null || (_lastPreview != 0 && Stopwatch.GetElapsedTime(_lastPreview) < BetweenPreviews)) return;
        PngWriter.Write(preview, SampleOutput.Grid(_now, selection));
        _lastPreview = Stopwatch.GetTimestamp();
    }

    /// <summary>Writes the last grid and the animation.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Finish(IReadOnlyList<Image> images, IReadOnlyList<PngText> texts)
    {
        if (preview is not null) PngWriter.Write(preview, SampleOutput.Grid(images, selection), texts);
        if (animation is null) return;
        byte[] file = PngWriter.EncodeAnimation([.. _steps.Append([.. images]).Select(step => SampleOutput.Grid(step, selection))], FrameMilliseconds, LastMilliseconds, texts);
        AtomicFile.Write(animation, stream => stream.Write(file));
    }

    private Image ToImage(ReadOnlySpan<float> pixels)
    {
        if (decoder is not null) return decoder.Decode(pixels, model.Settings.PixelOffset);
        var network = model.Network.Config;
        return PixelConversion.ToImage(pixels, network.ImageSize, network.InChannels, model.Settings.DataSize ?? network.ImageSize, model.Settings.PixelOffset);
    }
}
