using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>Runs a classifier over images, batch by batch, with a plan for each size of a batch. It serves one caller at a time.</summary>
/// <param name="name">The classifier, as its users know it.</param>
/// <param name="shape">Height and width, channels, classes, features.</param>
/// <param name="parameters">Its weights.</param>
/// <param name="record">Records it from images [N, S, S, C] to features [N, F] and logits [N, K].</param>
internal sealed class ClassifierBatches(
    string name, (int Size, int Channels, int Classes, int Features) shape, Parameters parameters, Func<PlanBuilder, Tensor, (Tensor Features, Tensor Logits)> record) : IDisposable
{
    private const int Batch = 64;

    private readonly UseGuard _guard = new(name, "A classifier serves one caller at a time; load one for each thread.");
    private readonly Arena _arena = new(parameters.Kernels);
    private readonly Dictionary<int, Plan> _plans = [];

    public delegate void RowReader(int index, Span<float> destination);

    private int RowLength => shape.Size * shape.Size * shape.Channels;

    /// <summary>The images in the network's size; greys that were stored as RGB, and greys for a network of RGB, in its channels.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    public ImageDataset Fit(ImageDataset images)
    {
        images = images.WithChannels(shape.Channels) ?? images;
        if (images.Channels != shape.Channels || Math.Max(images.Height, images.Width) > shape.Size)
            throw new ArgumentException(
                $"The classifier takes images of {shape.Channels} channels and at most {shape.Size}x{shape.Size} pixels; these are {images.Height}x{images.Width} of {images.Channels} channels.");
        return images.PadTo(shape.Size);
    }

    /// <summary>Classifies images given as floats, [N, S, S, C].</summary>
    /// <exception cref="ArgumentException">The length is not that of a whole number of images.</exception>
    public Classification Classify(ReadOnlyMemory<float> pixels, Action<Plan, int, int>? prepare = null)
    {
        int row = RowLength;
        if (pixels.Length % row != 0)
            throw new ArgumentException($"{pixels.Length} values are not a whole number of images of {shape.Size}x{shape.Size}x{shape.Channels}.");
        return Classify(pixels.Length / row, (i, destination) => pixels.Span.Slice(i * row, row).CopyTo(destination), prepare, null, default);
    }

    /// <summary>Classifies images; the result of one does not depend on the others.</summary>
    /// <param name="count">Number of images.</param>
    /// <param name="read">Writes one.</param>
    /// <param name="prepare">Writes the plan's further inputs for a number of images from the first one on; null where there are none.</param>
    /// <param name="progress">Told the number of images done.</param>
    /// <param name="cancellation">Checked between batches.</param>
    public Classification Classify(int count, RowReader read, Action<Plan, int, int>? prepare, IProgress<int>? progress, CancellationToken cancellation)
    {
        using var use = _guard.Write();
        using var weights = parameters.Guard.Read();
        var result = new Classification(count, shape.Classes, shape.Features);
        var kernels = parameters.Kernels;
        int row = RowLength, rows = Math.Min(Batch, count);
        float[] pixels = new float[rows * row], logits = new float[rows * shape.Classes], features = new float[rows * shape.Features];
        for (int start = 0; start < count; start += Batch)
        {
            cancellation.ThrowIfCancellationRequested();
            rows = Math.Min(Batch, count - start);
            for (int i = 0; i < rows; i++) read(start + i, pixels.AsSpan(i * row, row));
            var plan = PlanFor(rows);
            kernels.Upload(pixels.AsSpan(0, rows * row), plan.Input("images"));
            prepare?.Invoke(plan, start, rows);
            plan.Run(cancellation);
            kernels.Download(plan.Output("logits"), logits);
            kernels.Download(plan.Output("features"), features);
            for (int i = 0; i < rows; i++)
                result.Set(start + i, logits.AsSpan(i * shape.Classes, shape.Classes), features.AsSpan(i * shape.Features, shape.Features));
            progress?.Report(start + rows);
        }
        return result;
    }

    /// <exception cref="InvalidOperationException">It is in use.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        foreach (var plan in _plans.Values) plan.Dispose();
        _arena.Dispose();
    }

    private Plan PlanFor(int rows)
    {
        if (_plans.TryGetValue(rows, out var plan)) return plan;
        var b = new PlanBuilder(parameters.Kernels, parameters) { Images = rows };
        var (features, logits) = record(b, b.Input("images", new Shape(rows, shape.Size, shape.Size, shape.Channels)));
        b.Output("features", features);
        b.Output("logits", logits);
        return _plans[rows] = b.Build(_arena);
    }
}
