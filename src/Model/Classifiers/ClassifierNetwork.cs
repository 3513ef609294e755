using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// A residual network in the pre-activation order of He et al. (arXiv 1603.05027) with GroupNorm (Wu and He, arXiv 1803.08494): a 3x3
/// convolution; per level its blocks, then 2x average pooling; GroupNorm, SiLU, the mean over all pixels and a linear layer.
/// </summary>
internal sealed class ClassifierNetwork
{
    private const double NormEpsilon = 1e-5;

    private readonly ClassifierConfig _config;
    private readonly List<(string Name, int Level, int From, int To)> _blocks = [];

    public ClassifierNetwork(ClassifierConfig config)
    {
        config.Validate();
        _config = config;
        int width = config.Width;
        for (int level = 0; level < config.Levels; level++)
            for (int block = 0; block < config.Blocks; block++)
            {
                _blocks.Add(($"levels.{level}.{block}", level, width, config.WidthAt(level)));
                width = config.WidthAt(level);
            }
    }

    public void Declare(Parameters parameters)
    {
        DeclareConv(parameters, "stem", _config.InChannels, _config.Width, 3);
        foreach (var (name, _, from, to) in _blocks)
        {
            DeclareNorm(parameters, name + ".norm1", from);
            DeclareConv(parameters, name + ".conv1", from, to, 3);
            DeclareNorm(parameters, name + ".norm2", to);
            DeclareConv(parameters, name + ".conv2", to, to, 3);
            if (from != to) DeclareConv(parameters, name + ".skip", from, to, 1);
        }
        DeclareNorm(parameters, "norm", _config.FeatureCount);
        parameters.Add("head.weight", new Shape(_config.Classes, _config.FeatureCount), Initializer.FanIn(_config.FeatureCount));
        parameters.Add("head.bias", new Shape(_config.Classes));
    }

    /// <summary>Images [N,S,S,C] in [-1,1] to features [N,F] and logits [N,K].</summary>
    public (Tensor Features, Tensor Logits) Record(PlanBuilder b, Tensor images)
    {
        var x = RecordConv(b, "stem", images);
        int level = 0;
        foreach (var (name, blockLevel, from, to) in _blocks)
        {
            b.Scope = name;
            if (blockLevel != level) x = b.AveragePool2x(x);
            level = blockLevel;
            var h = RecordConv(b, name + ".conv1", RecordNorm(b, name + ".norm1", x));
            var skip = from == to ? x : RecordConv(b, name + ".skip", x);
            x = RecordConv(b, name + ".conv2", RecordNorm(b, name + ".norm2", h), skip);
        }
        b.Scope = "";
        var features = b.GlobalAveragePool(RecordNorm(b, "norm", x));
        return (features, b.Linear(features, b.Parameter("head.weight"), b.Parameter("head.bias")));
    }

    private static void DeclareConv(Parameters parameters, string name, int from, int to, int kernel)
    {
        parameters.Add(name + ".weight", new Shape(to, kernel, kernel, from), Initializer.FanIn(from * kernel * kernel));
        parameters.Add(name + ".bias", new Shape(to));
    }

    private static void DeclareNorm(Parameters parameters, string name, int width)
    {
        parameters.Add(name + ".weight", new Shape(width), Initializer.One);
        parameters.Add(name + ".bias", new Shape(width));
    }

    private static Tensor RecordConv(PlanBuilder b, string name, Tensor x, Tensor? residual = null) =>
        b.Conv2d(x, b.Parameter(name + ".weight"), b.Parameter(name + ".bias"), new Conv2dOptions { Residual = residual });

    private Tensor RecordNorm(PlanBuilder b, string name, Tensor x) =>
        b.GroupNorm(x, b.Parameter(name + ".weight"), b.Parameter(name + ".bias"), _config.NormGroups, NormEpsilon, silu: true);
}
