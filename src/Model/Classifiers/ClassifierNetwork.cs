using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// A residual network in the pre-activation order of He et al. (arXiv 1603.05027) with GroupNorm (Wu and He, arXiv 1803.08494): a 3x3
/// convolution; per level its blocks, then 2x average pooling; GroupNorm, SiLU, the mean over all pixels and a linear layer.
/// </summary>
internal sealed class ClassifierNetwork
{
    private const double NormEpsilon = 1e-5;
    private static readonly ResBlockKeys Keys = new("norm1", "conv1", Embedding: "", "norm2", "conv2", "skip");

    private readonly ConvLayer _stem;
    private readonly ResBlock[][] _levels;
    private readonly GroupNormLayer _norm;
    private readonly LinearLayer _head;

    public ClassifierNetwork(ClassifierConfig config)
    {
        config.Validate();
        var norm = new GroupNormOptions(config.NormGroups, NormEpsilon);
        var options = new ResBlockOptions { Keys = Keys, Norm = norm, LastInit = default };
        _stem = new ConvLayer("stem", config.InChannels, config.Width, 3);
        _levels = new ResBlock[config.Levels][];
        int width = config.Width;
        for (int level = 0; level < config.Levels; level++)
        {
            _levels[level] = new ResBlock[config.Blocks];
            for (int block = 0; block < config.Blocks; block++)
            {
                _levels[level][block] = new ResBlock($"levels.{level}.{block}", width, config.WidthAt(level), options);
                width = config.WidthAt(level);
            }
        }
        _norm = norm.Layer("norm", config.FeatureCount);
        _head = new LinearLayer("head", config.FeatureCount, config.Classes);
    }

    public void Declare(Parameters parameters)
    {
        _stem.Declare(parameters);
        foreach (var block in _levels.SelectMany(blocks => blocks)) block.Declare(parameters);
        _norm.Declare(parameters);
        _head.Declare(parameters);
    }

    /// <summary>Images [N,S,S,C] in [-1,1] to features [N,F] and logits [N,K].</summary>
    public (Tensor Features, Tensor Logits) Record(PlanBuilder b, Tensor images)
    {
        var context = new BlockContext(b);
        var x = _stem.Record(b, images);
        foreach (var blocks in _levels)
        {
            if (blocks != _levels[0]) x = b.AveragePool2x(x);
            foreach (var block in blocks) x = block.Record(context, x);
        }
        var features = b.GlobalAveragePool(_norm.Record(b, x, silu: true));
        return (features, _head.Record(b, features));
    }
}
