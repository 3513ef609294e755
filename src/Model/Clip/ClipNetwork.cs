using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Clip;

/// <summary>
/// CLIP with a vision transformer (Radford et al., arXiv 2103.00020), under its published parameter names: an image tower and a text tower into one
/// embedding, in which what belongs together is similar.
/// </summary>
public sealed class ClipNetwork
{
    private const double Epsilon = 1e-5;
    private const string TextPositions = "positional_embedding", TextProjection = "text_projection", LogitScale = "logit_scale";
    private const string ClassToken = "visual.class_embedding", ImagePositions = "visual.positional_embedding", ImageProjection = "visual.proj";
    private const string TokenEmbedding = "token_embedding.weight";

    private static readonly TransformerKeys Keys =
        new("attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj", "mlp.c_fc", "mlp.c_proj", ("ln_1", "ln_2"));

    private readonly PatchEmbedding _patches;
    private readonly LayerNormLayer _before, _after, _textNorm;
    private readonly TransformerBlock[] _imageBlocks, _textBlocks;

    /// <summary>The networks of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public ClipNetwork(ClipConfig config)
    {
        config.Validate();
        Config = config;
        _patches = new("visual.conv1", 3, config.VisionWidth, config.VisionPatchSize) { Bias = false };
        _before = new("visual.ln_pre", config.VisionWidth, Epsilon);
        _after = new("visual.ln_post", config.VisionWidth, Epsilon);
        _textNorm = new("ln_final", config.TransformerWidth, Epsilon);
        _imageBlocks = Blocks("visual.transformer.resblocks", config.VisionLayers, config.VisionWidth, config.VisionHeads, causal: false);
        _textBlocks = Blocks("transformer.resblocks", config.TransformerLayers, config.TransformerWidth, config.TransformerHeads, causal: true);
    }

    /// <summary>What it was made from.</summary>
    public ClipConfig Config { get; }

    /// <summary>Whether a key of published files is no parameter: the sizes that TorchScript files carry along.</summary>
    public static bool IsBuffer(string key) => key is "input_resolution" or "context_length" or "vocab_size";

    /// <summary>Row of each text's last token in a matrix of all tokens: that of its largest id, which is that of the end.</summary>
    /// <param name="tokens">Ids [N, contextLength].</param>
    /// <param name="contextLength">Tokens of a text.</param>
    public static int[] EndRows(ReadOnlySpan<int> tokens, int contextLength)
    {
        if (contextLength < 1 || tokens.Length % contextLength != 0)
            throw new ArgumentException($"{tokens.Length} tokens are not texts of {contextLength}.");
        int[] rows = new int[tokens.Length / contextLength];
        for (int n = 0; n < rows.Length; n++)
        {
            int first = n * contextLength;
            rows[n] = first;
            for (int i = first; i < first + contextLength; i++)
                if (tokens[i] > tokens[rows[n]]) rows[n] = i;
        }
        return rows;
    }

    /// <summary>Declares every parameter under its published name, in the published order.</summary>
    public void Declare(Parameters parameters)
    {
        int width = Config.VisionWidth, textWidth = Config.TransformerWidth;
        double start = 1 / Math.Sqrt(width);
        parameters.Add(TextPositions, new Shape(Config.ContextLength, textWidth), Initializer.Normal(0.01));
        parameters.Add(TextProjection, new Shape(textWidth, Config.EmbedDim), Initializer.Normal(1 / Math.Sqrt(textWidth)));
        parameters.Add(LogitScale, new Shape(), Initializer.Constant(Math.Log(1 / 0.07)));
        parameters.Add(ClassToken, new Shape(width), Initializer.Normal(start));
        parameters.Add(ImagePositions, new Shape(Config.Grid * Config.Grid + 1, width), Initializer.Normal(start));
        parameters.Add(ImageProjection, new Shape(width, Config.EmbedDim), Initializer.Normal(start));
        _patches.Declare(parameters);
        _before.Declare(parameters);
        foreach (var block in _imageBlocks) block.Declare(parameters);
        _after.Declare(parameters);
        foreach (var block in _textBlocks) block.Declare(parameters);
        parameters.Add(TokenEmbedding, new Shape(Config.VocabSize, textWidth), Initializer.Normal(0.02));
        _textNorm.Declare(parameters);
    }

    /// <summary>Records the image tower.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="image">Normalised images [N, R, R, 3] (<see cref="ClipPreprocessing"/>), R the configuration's resolution.</param>
    /// <returns>Features [N, EmbedDim], of any length.</returns>
    /// <exception cref="ArgumentException">The shape does not fit the configuration.</exception>
    public Tensor RecordImage(PlanBuilder b, Tensor image)
    {
        if (image.Shape.Rank != 4 || image.Shape[1] != Config.ImageResolution || image.Shape[2] != Config.ImageResolution || image.Shape[3] != 3)
            throw new ArgumentException($"This CLIP takes images [N,{Config.ImageResolution},{Config.ImageResolution},3]; got {image}.");
        int n = image.Shape.Batch, width = Config.VisionWidth, tokens = Config.Grid * Config.Grid + 1;
        b.Scope = "visual";
        // The class token of every image is row 0 of a table of one.
        var first = b.EmbeddingLookup(b.Constant("class", new float[n]), b.Reshape(b.Parameter(ClassToken), new Shape(1, width)));
        var h = b.Concat(first, b.Reshape(_patches.Record(b, image), new Shape(n, (tokens - 1) * width)));
        h = b.AddShared(b.Reshape(h, new Shape(n, tokens, width)), b.Parameter(ImagePositions));
        h = Run(b, _imageBlocks, _before.Record(b, h));
        b.Scope = "visual";
        var ofClass = _after.Record(b, b.Slice(b.Reshape(h, new Shape(n, tokens * width)), 0, width));
        var features = b.LinearTransposed(ofClass, b.Parameter(ImageProjection));
        b.Scope = "";
        return features;
    }

    /// <summary>Records the text tower.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="tokens">Ids [N, ContextLength] as int32 bit patterns (<see cref="ClipTokenizer.Tokenize"/>).</param>
    /// <param name="ends">[N] as int32 bit patterns: <see cref="EndRows"/> of the tokens.</param>
    /// <returns>Features [N, EmbedDim], of any length.</returns>
    /// <exception cref="ArgumentException">A shape does not fit the configuration.</exception>
    public Tensor RecordText(PlanBuilder b, Tensor tokens, Tensor ends)
    {
        if (tokens.Shape.Rank != 2 || tokens.Shape[1] != Config.ContextLength || ends.Shape != new Shape(tokens.Shape.Batch))
            throw new ArgumentException($"This CLIP takes tokens [N,{Config.ContextLength}] and the row of each text's end, [N]; got {tokens} and {ends}.");
        int n = tokens.Shape.Batch, width = Config.TransformerWidth;
        b.Scope = "text";
        var h = b.EmbeddingLookup(b.Reshape(tokens, new Shape(checked((int)tokens.Count))), b.Parameter(TokenEmbedding));
        h = b.AddShared(b.Reshape(h, new Shape(n, Config.ContextLength, width)), b.Parameter(TextPositions));
        h = Run(b, _textBlocks, h);
        b.Scope = "text";
        var last = b.EmbeddingLookup(ends, b.Reshape(h, new Shape(n * Config.ContextLength, width)));
        // A normalisation looks at one token at a time: that of the others is not needed.
        var features = b.LinearTransposed(_textNorm.Record(b, last), b.Parameter(TextProjection));
        b.Scope = "";
        return features;
    }

    /// <summary>Records scaled cosines of features: logits [N, M] of N images against M texts, or the other way round.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="features">[N, EmbedDim].</param>
    /// <param name="others">[M, EmbedDim].</param>
    /// <param name="scale">What cosines are multiplied by: <see cref="Scale"/>, or 1.</param>
    public static Tensor RecordLogits(PlanBuilder b, Tensor features, Tensor others, Slot<float> scale) =>
        b.Scale(b.Linear(b.L2Normalize(features), b.L2Normalize(others)), scale);

    /// <summary>The trained scale of the logits: the exponential of the parameter.</summary>
    public static float Scale(Parameters parameters, IKernels kernels)
    {
        float[] value = new float[1];
        kernels.Download(parameters.ValueOf(parameters[LogitScale]), value);
        return MathF.Exp(value[0]);
    }

    private static TransformerBlock[] Blocks(string name, int count, int width, int heads, bool causal)
    {
        var options = new TransformerOptions
        {
            Keys = Keys, HiddenWidth = 4 * width, Heads = heads, Epsilon = Epsilon, Causal = causal, Activation = (b, h) => b.QuickGelu(h),
        };
        return [.. Enumerable.Range(0, count).Select(i => new TransformerBlock($"{name}.{i}", width, options))];
    }

    private static Tensor Run(PlanBuilder b, TransformerBlock[] blocks, Tensor h)
    {
        var context = new BlockContext(b);
        foreach (var block in blocks) h = block.Record(context, h);
        return h;
    }
}
