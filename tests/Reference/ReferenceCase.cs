using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Tests.Reference;

/// <summary>One file of weights, inputs and answers of a published implementation.</summary>
public sealed class ReferenceCase(string path)
{
    public string Path { get; } = path;

    public string Name => System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>The shipped cases, and those in the folder that ND_REFERENCE_CASES names.</summary>
    public static IEnumerable<ReferenceCase> All
    {
        get
        {
            string shipped = System.IO.Path.Combine(AppContext.BaseDirectory, "Reference", "Data");
            string? more = Environment.GetEnvironmentVariable("ND_REFERENCE_CASES");
            return Directory.EnumerateFiles(shipped, "*.safetensors")
                .Concat(string.IsNullOrEmpty(more) ? [] : Directory.EnumerateFiles(more, "*.safetensors"))
                .Select(p => new ReferenceCase(p)).OrderBy(c => c.Path, StringComparer.Ordinal);
        }
    }

    /// <summary>U-Nets: cases whose configuration is that of the ADM network and which have weights and a label or time input.</summary>
    public static IEnumerable<ReferenceCase> UNets => All.Where(c => c.Config.TryGetProperty("num_res_blocks", out _)
        && c.Config.TryGetProperty("channel_mult", out _) && c.Config.TryGetProperty("use_new_attention_order", out _)
        && !c.Config.TryGetProperty("pool", out _) && c.Has("cotangent"));

    /// <summary>ResNets: cases with weights whose configuration names a kind of block and the blocks of each stage.</summary>
    public static IEnumerable<ReferenceCase> ResNets =>
        All.Where(c => c.Config.TryGetProperty("block", out _) && c.Config.TryGetProperty("layers", out _) && c.Has("weights.conv1.weight"));

    /// <summary>Diffusion transformers.</summary>
    public static IEnumerable<ReferenceCase> Dits => All.Where(c => c.Has("weights.x_embedder.proj.weight") && c.Has("cotangent"));

    /// <summary>CLIP: images and texts.</summary>
    public static IEnumerable<ReferenceCase> Clips => All.Where(c => c.Has("weights.visual.class_embedding"));

    /// <summary>Autoencoders of latent diffusion: cases whose configuration has latent channels and levels, and which have weights.</summary>
    public static IEnumerable<ReferenceCase> Autoencoders =>
        All.Where(c => c.Config.TryGetProperty("z_channels", out _) && c.Config.TryGetProperty("ch_mult", out _) && c.Has("weights.quant_conv.weight"));

    /// <summary>Noisy classifiers.</summary>
    public static IEnumerable<ReferenceCase> NoisyClassifiers => All.Where(c => c.Config.TryGetProperty("pool", out _) && c.Has("weights.time_embed.0.weight"));

    /// <summary>EDM's networks inside their preconditioning.</summary>
    public static IEnumerable<ReferenceCase> EdmNetworks => All.Where(c => c.Config.TryGetProperty("model_type", out _) && c.Has("weights.model.map_layer0.weight"));

    /// <summary>Trajectories of EDM's sampler.</summary>
    public static IEnumerable<ReferenceCase> EdmTrajectories => All.Where(c => c.Has("out.trajectory") && c.Config.TryGetProperty("rho", out _));

    /// <summary>Sampling trajectories without a classifier.</summary>
    public static IEnumerable<ReferenceCase> Trajectories => All.Where(c => c.Has("out.trajectory")
        && c.Config.TryGetProperty("schedule", out _) && !c.Name.Contains("elucd", StringComparison.Ordinal)
        && (!c.Config.TryGetProperty("classifier_scale", out var scale) || scale.GetDouble() == 0));

    public JsonElement Config
    {
        get
        {
            using var file = SafetensorsFile.Open(Path);
            return JsonDocument.Parse(file.Metadata.TryGetValue("config", out string? text) ? text : "{}").RootElement;
        }
    }

    public override string ToString() => Name;

    public bool Has(string tensor)
    {
        using var file = SafetensorsFile.Open(Path);
        return file.Contains(tensor);
    }

    public float[] Read(string tensor)
    {
        using var file = SafetensorsFile.Open(Path);
        return file.ReadFloat(tensor);
    }

    /// <summary>The network's weights copied into parameters of the same names.</summary>
    /// <param name="parameters">They receive the weights.</param>
    /// <param name="kernels">Their device.</param>
    /// <param name="prefix">What the file's keys begin with.</param>
    /// <param name="isBuffer">Tells keys that are no parameters.</param>
    public void LoadWeights(NativeDiffusion.Runtime.Parameters parameters, IKernels kernels, string prefix = "", Func<string, bool>? isBuffer = null)
    {
        prefix = "weights." + prefix;
        using var file = SafetensorsFile.Open(Path);
        string[] keys = [.. file.Tensors.Select(t => t.Name).Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).Select(n => n[prefix.Length..]).Where(n => isBuffer?.Invoke(n) != true)];
        NUnit.Framework.Assert.That(parameters.Items.Select(p => p.Name), NUnit.Framework.Is.EqualTo(keys), "published key names, in order");
        foreach (var parameter in parameters.Items)
        {
            NUnit.Framework.Assert.That(
                parameter.PublishedShape.Select(e => (long)e), NUnit.Framework.Is.EqualTo(file.Find(prefix + parameter.Name).Shape), parameter.Name);
            kernels.Upload(WeightFile.FromPublished(file.ReadFloat(prefix + parameter.Name), parameter.Shape), parameters.ValueOf(parameter));
        }
        parameters.MarkChanged();
    }

    /// <summary>Checks the gradients of the parameters that the case has any of.</summary>
    public void AssertParameterGradients(NativeDiffusion.Runtime.Parameters parameters, string prefix = "")
    {
        var checkedOnes = parameters.Items.Where(p => Has("grad_norm." + prefix + p.Name)).ToArray();
        double largestNorm = checkedOnes.Max(p => Math.Abs(Read("grad_norm." + prefix + p.Name)[0]));
        // Of gradients that are exactly zero in exact arithmetic the file holds rounding: hence the floor.
        double floor = 1e-5 * largestNorm / 1e-3;
        foreach (var parameter in checkedOnes)
        {
            float[] gradient = parameters.GradientOf(parameter).Span.ToArray();
            double norm = Math.Sqrt(gradient.Sum(v => (double)v * v));
            AssertClose([(float)norm], Read("grad_norm." + prefix + parameter.Name), 1e-3, "gradient norm of " + parameter.Name, floor);
            if (Has("grad." + prefix + parameter.Name))
                AssertClose(gradient, WeightFile.FromPublished(Read("grad." + prefix + parameter.Name), parameter.Shape), 1e-3, "gradient of " + parameter.Name, floor);
        }
    }

    /// <summary>[N, C, H, W] to [N, H, W, C].</summary>
    public static float[] ToNhwc(float[] nchw, int n, int c, int h, int w)
    {
        float[] result = new float[nchw.Length];
        for (int i = 0; i < n; i++)
            for (int channel = 0; channel < c; channel++)
                for (int pixel = 0; pixel < h * w; pixel++)
                    result[(i * h * w + pixel) * c + channel] = nchw[(i * c + channel) * h * w + pixel];
        return result;
    }

    /// <summary>Fails unless |got - expected| stays within a fraction of the largest expected magnitude.</summary>
    public static void AssertClose(float[] got, float[] expected, double fraction, string what, double floor = 0)
    {
        NUnit.Framework.Assert.That(got, NUnit.Framework.Has.Length.EqualTo(expected.Length), what);
        double bound = fraction * Math.Max(expected.Max(v => Math.Abs((double)v)), floor);
        for (int i = 0; i < got.Length; i++)
            if (!(Math.Abs((double)got[i] - expected[i]) <= bound))
                NUnit.Framework.Assert.Fail($"{what}: element {i} is {got[i]}, should be {expected[i]} within {bound:g3}.");
    }
}
