using System.Collections.Immutable;
using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Onnx;

/// <summary>A classifier from an ONNX file, as a guide: EluCD, universal or classifier guidance follows its gradient.</summary>
public sealed class OnnxClassifier : IClassifierNetwork, IDisposable
{
    private readonly OnnxNetwork _network;
    private readonly string _logits, _features;

    private OnnxClassifier(OnnxNetwork network, OnnxOptions options)
    {
        (_network, TakesNoise) = (network, options.TakesNoise);
        // A Softmax at the end would have its logarithm taken again: what goes into it are the logits.
        _logits = network.Last is { Op: "Softmax" or "LogSoftmax" } last && network.OutputDims.Length == 1 ? last.Inputs[0] : network.Output;
        _features = network.Penultimate(_logits);
        var names = options.ClassNames.IsDefaultOrEmpty ? NamesIn(network.Metadata) : options.ClassNames;
        if (!options.ClassNames.IsDefaultOrEmpty && names.Length != Classes) throw new ArgumentException($"The classifier has {Classes} classes, and {names.Length} names were given.");
        ClassNames = names.Length == Classes ? names : [.. Enumerable.Range(0, Classes).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))];
    }

    /// <summary>Names of the classes; their numbers where neither the options nor the file have any.</summary>
    public ImmutableArray<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Classes => _network.OutputCount;

    /// <inheritdoc/>
    public int Channels => _network.Channels;

    /// <summary>Null: images of other sizes are resized to that of the file.</summary>
    public int? ImageSize => null;

    /// <summary>As the options say: a file does not.</summary>
    public bool TakesNoise { get; }

    /// <inheritdoc/>
    public Parameters Parameters => _network.Parameters;

    /// <summary>The graph and its weights.</summary>
    public OnnxNetwork Network => _network;

    /// <summary>Reads a classifier.</summary>
    /// <param name="path">The file: one input, images; its first output, or the one asked for, has one number for each class.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <param name="options">How it sees images.</param>
    /// <exception cref="CheckpointException">The file is damaged, or has a node that is not recorded; the message names it, and the remedy.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or contradicts the file.</exception>
    public static OnnxClassifier Load(string path, IKernels kernels, OnnxOptions? options = null)
    {
        options ??= new();
        var network = OnnxNetwork.Load(path, kernels, options);
        try
        {
            return new OnnxClassifier(network, options);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => _network.RecordOutputs(b, images, [_logits])[0];

    /// <summary>Classifies images. The result of an image does not depend on the others.</summary>
    /// <param name="images">Square images; their labels are not looked at.</param>
    /// <param name="progress">Told the number of images done.</param>
    /// <param name="cancellation">Checked between batches.</param>
    /// <exception cref="ArgumentException">The images have another number of channels, or are not square.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Classification Classify(ImageDataset images, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Channels != Channels || images.Height != images.Width)
            throw new ArgumentException($"The classifier takes square images of {Channels} channels; these are {images.Height}x{images.Width} of {images.Channels}.");
        using var batches = new ClassifierBatches(nameof(OnnxClassifier), (images.Height, Channels, Classes, Features(images.Height)), Parameters, (b, x) =>
        {
            var both = _network.RecordOutputs(b, x, [_features, _logits]);
            return (both[0], both[1]);
        });
        return batches.Classify(images.Count, images.CopyRow, null, progress, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => _network.Dispose();

    private int Features(int size)
    {
        var b = new PlanBuilder(Parameters.Kernels, Parameters);
        return _network.RecordOutputs(b, b.Input("images", new Shape(1, size, size, Channels)), [_features])[0].Shape.Channels;
    }

    /// <summary>Names as exporters leave them in the metadata: a list, or a dictionary from number to name, as JSON or as Python writes it.</summary>
    private static ImmutableArray<string> NamesIn(IReadOnlyDictionary<string, string> metadata)
    {
        foreach (string key in (string[])["class_names", "names", "labels", "classes", "id2label"])
            if (metadata.TryGetValue(key, out string? text) && text.Length < 1 << 20)
            {
                var names = Parsed(text);
                if (names.Length == 0) names = Parsed(text.Replace('\'', '"'));
                if (names.Length > 0) return names;
            }
        return [];
    }

    private static ImmutableArray<string> Parsed(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind switch
            {
                JsonValueKind.Array => [.. json.RootElement.EnumerateArray().Select(e => e.ToString())],
                JsonValueKind.Object => [.. json.RootElement.EnumerateObject().Select(p => p.Value.ToString())],
                _ => [],
            };
        }
        catch (JsonException)
        {
            return [];
        }
    }
}
