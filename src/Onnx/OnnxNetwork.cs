using System.Collections.Immutable;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Onnx.Recording;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Onnx;

/// <summary>
/// The graph of an ONNX file that takes images, with its weights on one device: it records itself into any plan, with a gradient towards the images and the weights.
/// A BatchNormalization behind a convolution is part of it; shapes are those of the recording.
/// </summary>
public sealed class OnnxNetwork : IDisposable
{
    private readonly OnnxGraph _graph;
    private readonly OnnxOptions _options;
    private readonly string _input;
    private readonly int[] _dims;
    private readonly bool _isPlain, _oneByOne;

    private OnnxNetwork(OnnxGraph graph, IKernels kernels, OnnxOptions options)
    {
        (_graph, _options) = (graph, options);
        var input = graph.Inputs is [var only] ? only
            : throw new CheckpointException($"{graph.File}: a network of images takes one input; this one has {graph.Inputs.Length}: {string.Join(", ", graph.Inputs.Select(i => i.ToString()))}. Export it with the others as constants.");
        (_input, Output) = (input.Name, options.Output ?? graph.Outputs[0].Name);
        if (input.Type is not (OnnxType.Float or OnnxType.Float16 or OnnxType.Double)) throw new CheckpointException($"{graph.File}: its input {input} has elements of type {input.Type}, and images are real numbers.");
        if (input.Dims is not { Length: 4 } dims) throw new CheckpointException($"{graph.File}: its input {input} is no batch of images; [N, C, H, W] or [N, H, W, C] is recorded. Export it so.");
        // TensorFlow's exporters leave channels last.
        _isPlain = dims[1] is not (1 or 3 or 4) && dims[3] is (1 or 3 or 4) && dims[1] == dims[2];
        Channels = (_isPlain ? dims[3] : dims[1]) ?? throw new CheckpointException($"{graph.File}: its input {input} says no number of channels; export it with one.");
        int? height = _isPlain ? dims[1] : dims[2], width = _isPlain ? dims[2] : dims[3];
        int size = height ?? width ?? options.InputSize ?? throw new ArgumentException($"{graph.File}: its input {input} is of any size; say which (--classifier-size, InputSize).");
        if (height != width && height is not null && width is not null) throw new CheckpointException($"{graph.File}: its input {input} is not square, and the images are; resize inside the network, or export it for square ones.");
        if (options.InputSize is { } wanted && wanted != size) throw new ArgumentException($"{graph.File}: its input {input} has {size} pixels a side, and {wanted} were asked for; leave that out.");
        ImageSize = size;
        _dims = _isPlain ? [1, size, size, Channels] : [1, Channels, size, size];
        options.Require(Channels);

        var needed = new WeightsNeeded();
        OutputDims = [.. Dry(kernels, needed, 1).Dims[1..]];
        _oneByOne = !RecordsTogether(kernels);
        Parameters = new Parameters(kernels, nameof(OnnxNetwork));
        try
        {
            foreach (var (key, shape, _) in needed.Items) Parameters.Add(key, shape);
            foreach (var (key, _, make) in needed.Items) kernels.Upload(make(), Parameters.ValueOf(Parameters[key]));
            Parameters.MarkChanged();
        }
        catch
        {
            Parameters.Dispose();
            throw;
        }
    }

    /// <summary>Channels of the images.</summary>
    public int Channels { get; }

    /// <summary>Height and width of the images that the graph takes.</summary>
    public int ImageSize { get; }

    /// <summary>Name of the result in the file.</summary>
    public string Output { get; }

    /// <summary>Extents of the result for one image, in the graph's order.</summary>
    public ImmutableArray<int> OutputDims { get; }

    /// <summary>Number of elements of the result for one image.</summary>
    public int OutputCount => OutputDims.Aggregate(1, (product, extent) => checked(product * extent));

    /// <summary>The weights, on the device.</summary>
    public Parameters Parameters { get; }

    internal IReadOnlyDictionary<string, string> Metadata => _graph.Metadata;

    /// <summary>The node that makes the result.</summary>
    internal OnnxNode? Last => _graph.Maker(Output);

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <param name="options">How it sees images.</param>
    /// <exception cref="CheckpointException">The file is damaged, or has a node that is not recorded; the message names it, and the remedy.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or contradicts the file.</exception>
    public static OnnxNetwork Load(string path, IKernels kernels, OnnxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(kernels);
        return new(OnnxGraph.Load(path), kernels, options ?? new());
    }

    /// <summary>Records the network; <see cref="PlanBuilder.Parameters"/> are its own.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="images">[N, H, W, C] in [-1, 1], of any size; they are resized bilinearly to the network's.</param>
    /// <returns>[N, <see cref="OutputCount"/>], each row in the graph's order.</returns>
    /// <exception cref="ArgumentException">The images have another number of channels.</exception>
    public Tensor Record(PlanBuilder b, Tensor images) => RecordOutputs(b, images, [Output])[0];

    /// <summary>As <see cref="Record"/>, several values of the graph.</summary>
    internal Tensor[] RecordOutputs(PlanBuilder b, Tensor images, IReadOnlyList<string> outputs)
    {
        ArgumentNullException.ThrowIfNull(b);
        ArgumentNullException.ThrowIfNull(images);
        if (images.Shape.Rank != 4 || images.Shape.Channels != Channels) throw new ArgumentException($"The network takes images [N,H,W,{Channels}]; got {images}.");
        if (images.Shape[1] != ImageSize || images.Shape[2] != ImageSize)
            images = b.Resize(images, ResampleTable.Linear(images.Shape[1], ImageSize), ResampleTable.Linear(images.Shape[2], ImageSize));
        if (_options.Bgr) images = b.Resample(images, 3, ResampleTable.FromWeights(3, 3, c => c switch { 0 => [0, 0, 1], 1 => [0, 1, 0], _ => [1, 0, 0] }));
        if (_options.Normalisation.Length > 0) images = ChannelNormalisation.Record(b, images, [.. Enumerable.Range(0, Channels).Select(c => _options.Normalisation[c % _options.Normalisation.Length])]);
        var weights = new WeightsLoaded(Parameters);
        if (!_oneByOne || images.Shape.Batch == 1) return Recorded(b, images, weights, outputs);
        var rows = Enumerable.Range(0, images.Shape.Batch).Select(n => Recorded(b, b.Rows(images, n, 1), weights, outputs)).ToList();
        while (rows.Count > 1) rows = [.. rows.Chunk(2).Select(pair => pair.Length == 2 ? [.. pair[0].Zip(pair[1], b.ConcatRows)] : pair[0])];
        return rows[0];
    }

    /// <summary>What goes into the last layer with weights before a value: the features of a classifier. The value itself where there is no such layer.</summary>
    internal string Penultimate(string value)
    {
        string at = value;
        while (_graph.Maker(at) is { } node && node.Inputs.Length > 0)
        {
            if (node.Op is "Gemm" or "MatMul" or "Conv") return node.Inputs[0];
            if (node.Op is not ("Add" or "Reshape" or "Flatten" or "Squeeze" or "Identity" or "Cast")) return value;
            at = _graph.Maker(node.Inputs[0]) is not null ? node.Inputs[0] : node.Inputs[^1];
        }
        return value;
    }

    /// <summary>Frees the weights.</summary>
    /// <exception cref="InvalidOperationException">They are in use.</exception>
    public void Dispose() => Parameters.Dispose();

    private Tensor[] Recorded(PlanBuilder b, Tensor images, IWeights weights, IReadOnlyList<string> outputs)
    {
        int count = images.Shape.Batch;
        var recorder = Recorder(b, weights, count);
        return [.. recorder.Record([InputOf(images, count)], outputs).Select(value =>
        {
            if (value.Constant is not null) throw new CheckpointException($"{_graph.File}: {value} does not depend on the images.");
            return b.Reshape(recorder.Plain(value), new Shape(count, checked((int)(value.Count / count))));
        })];
    }

    private GraphRecorder Recorder(PlanBuilder b, IWeights weights, int count) => new(_graph, b, weights, _options.SoftplusBeta) { ImagesForOne = _graph.Inputs[0].Dims![0] is 1 ? count : 1 };

    private Value InputOf(Tensor images, int count) => Value.Of(_input, images, [count, .. _dims[1..]], _isPlain ? [0, 1, 2, 3] : [0, 2, 3, 1], hasImages: true);

    /// <summary>Records into a plan that is never built.</summary>
    private Value Dry(IKernels kernels, IWeights weights, int count)
    {
        var b = new PlanBuilder(kernels);
        var images = b.Input("images", new Shape(count, ImageSize, ImageSize, Channels));
        return Recorder(b, weights, count).Record([InputOf(images, count)], [Output])[0];
    }

    /// <summary>Whether a batch can be recorded as one. A file for one image may have that number anywhere.</summary>
    private bool RecordsTogether(IKernels kernels)
    {
        try
        {
            var value = Dry(kernels, new WeightsNeeded(), 2);
            return value.HasImages && value.Dims[0] == 2 && value.Dims[1..].SequenceEqual(OutputDims);
        }
        catch (CheckpointException)
        {
            return false;
        }
    }
}
