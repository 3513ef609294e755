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

    /// <summary>The kind, one of <see cref="ReferenceKinds"/> or unknown to them; null where nothing shows it.</summary>
    public string? Kind => field ??= ReferenceKinds.Of(this);

    /// <summary>The shipped cases, and those in the folder that ND_REFERENCE_CASES names: every file but its texts (.md).</summary>
    public static IEnumerable<ReferenceCase> All
    {
        get
        {
            string? more = Environment.GetEnvironmentVariable("ND_REFERENCE_CASES");
            var shipped = In(System.IO.Path.Combine(AppContext.BaseDirectory, "Reference", "Data"));
            return (string.IsNullOrEmpty(more) ? shipped : shipped.Concat(In(more))).OrderBy(c => c.Path, StringComparer.Ordinal);
        }
    }

    /// <summary>The cases of a kind.</summary>
    public static IEnumerable<ReferenceCase> OfKind(string kind) => All.Where(c => c.Kind == kind);

    /// <summary>Every file of a folder but its texts (.md).</summary>
    public static IEnumerable<ReferenceCase> In(string folder) =>
        Directory.EnumerateFiles(folder).Where(p => System.IO.Path.GetExtension(p) != ".md").Order(StringComparer.Ordinal).Select(p => new ReferenceCase(p));

    public JsonElement Config
    {
        get
        {
            if (System.IO.Path.GetExtension(Path) != ".safetensors") return JsonDocument.Parse("{}").RootElement;
            using var file = SafetensorsFile.Open(Path);
            return NativeDiffusion.Model.Published.PythonJson.Parse(file.Metadata.GetValueOrDefault("config", "{}"))!.Value;
        }
    }

    public override string ToString() => Name;

    /// <summary>The case of a name in the same folder: a network that several cases share.</summary>
    public ReferenceCase Sibling(string name) => new(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, name + ".safetensors"));

    public bool Has(string tensor)
    {
        if (System.IO.Path.GetExtension(Path) != ".safetensors") return false;
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
