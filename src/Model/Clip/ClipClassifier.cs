using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Clip;

/// <summary>
/// CLIP as a classifier of clean images against texts: one class for each text, whose logit is the cosine of image and text embedding times the trained scale. With
/// <see cref="Guiders.EluCdGuider"/> it is CLIP guidance, with <see cref="Guiders.UniversalGuider"/> universal guidance by a text. It serves one caller at a time.
/// </summary>
public sealed class ClipClassifier : IClassifierNetwork, IDisposable
{
    private readonly UseGuard _guard = new(nameof(ClipClassifier), "A classifier serves one caller at a time; load one for each thread.");
    private readonly ClipNetwork _network;
    private readonly bool _ownsParameters;
    private readonly DeviceMemory _memory;
    private readonly TensorView _texts;
    private readonly Arena _arena;
    private readonly Dictionary<(Shape, LatentDecoder?), Plan> _plans = [];
    private readonly float _scale;

    /// <summary>A classifier from a network and its weights.</summary>
    /// <param name="network">The network.</param>
    /// <param name="parameters">Its weights, which outlive the classifier; they are not to be changed.</param>
    /// <param name="tokenizer">The vocabulary that it was trained with.</param>
    /// <param name="texts">The texts, at least one.</param>
    /// <param name="channels">3, or 1 for models of grey images, which CLIP then sees in three equal channels.</param>
    /// <exception cref="ArgumentException">There is no text, one is longer than the network's context, the vocabulary is another one, or images have other channels.</exception>
    public ClipClassifier(ClipNetwork network, Parameters parameters, ClipTokenizer tokenizer, IReadOnlyList<string> texts, int channels = 3)
        : this(network, parameters, tokenizer, texts, channels, ownsParameters: false) { }

    private ClipClassifier(ClipNetwork network, Parameters parameters, ClipTokenizer tokenizer, IReadOnlyList<string> texts, int channels, bool ownsParameters)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0) throw new ArgumentException("CLIP compares images with at least one text; got none.");
        if (channels is not (1 or 3)) throw new ArgumentException($"CLIP sees images of 3 channels, or grey ones of 1; got {channels}.");
        var config = network.Config;
        if (tokenizer.VocabularySize != config.VocabSize)
            throw new ArgumentException($"The vocabulary has {tokenizer.VocabularySize} tokens, and this CLIP knows {config.VocabSize}; give the file of merges that it was trained with.");
        int[] tokens = [.. texts.SelectMany(text => tokenizer.Tokenize(text, config.ContextLength))];
        (_network, Parameters, Texts, Channels, _ownsParameters) = (network, parameters, [.. texts], channels, ownsParameters);
        var kernels = parameters.Kernels;
        _scale = ClipNetwork.Scale(parameters, kernels);
        _arena = new Arena(kernels);
        _memory = kernels.Allocate((long)texts.Count * config.EmbedDim);
        try
        {
            _texts = new TensorView(_memory, 0, new Shape(texts.Count, config.EmbedDim));
            EmbedTexts(tokens);
        }
        catch
        {
            _memory.Dispose();
            _arena.Dispose();
            throw;
        }
    }

    /// <summary>The texts, in the order of the classes.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <inheritdoc/>
    public int Classes => Texts.Count;

    /// <inheritdoc/>
    public int Channels { get; }

    /// <inheritdoc/>
    public int? ImageSize => null;

    /// <inheritdoc/>
    public bool TakesNoise => false;

    /// <inheritdoc/>
    public Parameters Parameters { get; }

    /// <summary>Reads a published CLIP with a vision transformer.</summary>
    /// <param name="path">The file, in any container that <see cref="CheckpointFile.Open"/> reads.</param>
    /// <param name="tokenizer">The vocabulary that it was trained with.</param>
    /// <param name="texts">The texts, at least one.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <param name="channels">3, or 1 for models of grey images.</param>
    /// <exception cref="CheckpointException">The file is damaged or holds no such CLIP; the message names file, key and values.</exception>
    /// <exception cref="ArgumentException">As for the constructor.</exception>
    public static ClipClassifier Load(string path, ClipTokenizer tokenizer, IReadOnlyList<string> texts, IKernels kernels, int channels = 3)
    {
        using var file = CheckpointFile.Open(path);
        var published = PublishedCheckpoint.Require(file, c => c is ClipConfig, "a CLIP with a vision transformer");
        var network = new ClipNetwork((ClipConfig)published.Config);
        var parameters = new Parameters(kernels, nameof(ClipClassifier));
        try
        {
            network.Declare(parameters);
            WeightFile.Read(file, published.Prefix, parameters, kernels, published.Family.IsBuffer);
            return new ClipClassifier(network, parameters, tokenizer, texts, channels, ownsParameters: true);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => RecordLogits(b, images, _scale);

    /// <summary>The CLIP score of images: the cosines of their embeddings and those of the texts, in [-1, 1].</summary>
    /// <param name="images">Images of one size, N after the other, [H, W, <see cref="Channels"/>] in [-1, 1].</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <returns>[N, <see cref="Classes"/>], row by row.</returns>
    /// <exception cref="ArgumentException">The values are not those of a whole number of images.</exception>
    /// <exception cref="InvalidOperationException">Another call uses the classifier.</exception>
    public float[] Cosines(ReadOnlySpan<float> images, int height, int width)
    {
        using var use = _guard.Write();
        using var weights = Parameters.Guard.Read();
        if (height < 1 || width < 1 || images.IsEmpty || images.Length % ((long)height * width * Channels) != 0)
            throw new ArgumentException($"CLIP compares images of {Channels} channels; {images.Length} values are not a whole number of images [{height}, {width}, {Channels}].");
        var plan = PlanFor(new Shape((int)(images.Length / ((long)height * width * Channels)), height, width, Channels), null);
        Parameters.Kernels.Upload(images, plan.Input("images"));
        return Run(plan);
    }

    /// <summary>The same for images [N, H, W, C] on the classifier's device, or for the pictures that latents decode to.</summary>
    internal float[] Cosines(TensorView images, LatentDecoder? decoder)
    {
        using var use = _guard.Write();
        using var weights = Parameters.Guard.Read();
        if (decoder is null && images.Shape.Channels != Channels) throw new ArgumentException($"CLIP compares images [N, H, W, {Channels}]; got {images.Shape}.");
        var plan = PlanFor(images.Shape, decoder);
        using (Parameters.Kernels.Queue.Enter()) Parameters.Kernels.Copy(images, plan.Input("images"));
        return Run(plan);
    }

    private Plan PlanFor(Shape shape, LatentDecoder? decoder)
    {
        if (_plans.TryGetValue((shape, decoder), out var plan)) return plan;
        var b = new PlanBuilder(Parameters.Kernels, Parameters) { Images = shape.Batch };
        var input = b.Input("images", shape);
        b.Output("cosines", RecordLogits(b, decoder?.Record(b, input) ?? input, 1));
        return _plans[(shape, decoder)] = b.Build(_arena);
    }

    private float[] Run(Plan plan)
    {
        plan.Run();
        var output = plan.Output("cosines");
        float[] cosines = new float[output.Count];
        Parameters.Kernels.Download(output, cosines);
        return cosines;
    }

    /// <summary>Frees what it made of the texts, and the weights that it read.</summary>
    /// <exception cref="InvalidOperationException">The classifier is in use.</exception>
    public void Dispose()
    {
        if (_ownsParameters) Parameters.Dispose();
        if (!_guard.End()) return;
        foreach (var plan in _plans.Values) plan.Dispose();
        _arena.Dispose();
        _memory.Dispose();
    }

    private Tensor RecordLogits(PlanBuilder b, Tensor images, float scale)
    {
        if (Channels == 1) images = b.Concat(b.Concat(images, images), images);
        var features = _network.RecordImage(b, ClipPreprocessing.Record(b, images, _network.Config.ImageResolution));
        return ClipNetwork.RecordLogits(b, features, b.Bind("texts", _texts), new Slot<float>(scale));
    }

    private void EmbedTexts(int[] tokens)
    {
        var kernels = Parameters.Kernels;
        int context = _network.Config.ContextLength;
        var b = new PlanBuilder(kernels, Parameters);
        Tensor text = b.Input("text", new Shape(Texts.Count, context)), ends = b.Input("ends", new Shape(Texts.Count));
        Tensor features = _network.RecordText(b, text, ends), kept = b.Bind("texts", _texts);
        b.Record(nameof(IKernels.Copy), [features], [kept], k => k.Copy(features.View, kept.View));
        using var plan = b.Build();
        kernels.Upload(tokens, text.View);
        kernels.Upload(ClipNetwork.EndRows(tokens, context), ends.View);
        plan.Run();
    }
}
