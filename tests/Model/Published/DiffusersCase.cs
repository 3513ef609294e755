using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>A folder that the diffusers library laid out, with what it computed (<c>Diffusers/record.py</c>), copied so that a test can change it.</summary>
internal sealed class DiffusersCase : IDisposable
{
    private readonly CheckpointFile _expected;

    public DiffusersCase(string name)
    {
        Folder = Directory.CreateTempSubdirectory("nd-diffusers-").FullName;
        string from = Path.Combine(AppContext.BaseDirectory, "Model", "Published", "Diffusers", name);
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string to = Path.Combine(Folder, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        // In the folder it would be a second file of weights.
        string expected = Path.Combine(Folder, "expected.safetensors"), beside = Folder + ".expected";
        File.Move(expected, beside);
        _expected = CheckpointFile.Open(beside);
    }

    public string Folder { get; }

    public string PathTo(string name) => Path.Combine(Folder, name);

    public float[] Values(string name) => _expected.ReadFloat(name);

    /// <summary>Images [N, C, H, W] of the library as [N, H, W, C].</summary>
    public float[] Images(string name)
    {
        long[] shape = _expected.Find(name).Shape;
        int channels = (int)shape[1], pixels = (int)(shape[2] * shape[3]);
        float[] values = Values(name);
        return [.. Enumerable.Range(0, values.Length).Select(i => values[i / (channels * pixels) * channels * pixels + i % channels * pixels + i / channels % pixels])];
    }

    /// <summary>Replaces a text in a settings file.</summary>
    public void Change(string file, string before, string after)
    {
        string text = File.ReadAllText(PathTo(file));
        if (!text.Contains(before, StringComparison.Ordinal)) throw new ArgumentException($"{file} does not have {before}");
        File.WriteAllText(PathTo(file), text.Replace(before, after, StringComparison.Ordinal));
    }

    /// <summary>What a model predicts of the case's inputs.</summary>
    public float[] Predict(DiffusionModel model)
    {
        var b = new PlanBuilder(model.Kernels, model.Parameters);
        var output = b.Output("out", Record(b, model, out var fill));
        using var plan = b.Build();
        fill();
        plan.Run();
        return output.View.Span.ToArray();
    }

    /// <summary>The gradient towards all parameters of the prediction times a cotangent.</summary>
    public float[] Gradient(DiffusionModel model, float[] cotangent)
    {
        var b = new PlanBuilder(model.Kernels, model.Parameters);
        var output = Record(b, model, out var fill);
        var weights = b.Input("cotangent", output.Shape);
        b.Backward(output, weights, parameters: true);
        using var plan = b.Build();
        fill();
        model.Kernels.Upload(cotangent, weights.View);
        plan.Run();
        return model.Parameters.Gradients.Span.ToArray();
    }

    private Tensor Record(PlanBuilder b, DiffusionModel model, out Action fill)
    {
        var network = model.Network.Config;
        int rows = (int)_expected.Find("t").Shape[0];
        Tensor x = b.Input("x", new Shape(rows, network.ImageSize, network.ImageSize, network.InChannels)), t = b.Input("t", new Shape(rows));
        var y = model.IsConditional ? b.Input("y", new Shape(rows)) : null;
        fill = () =>
        {
            model.Kernels.Upload(Images("x"), x.View);
            model.Kernels.Upload(Values("t"), t.View);
            if (y is not null) model.Kernels.Upload([.. _expected.ReadInt64("y").Select(label => (int)label)], y.View);
        };
        return model.Network.Record(b, x, t, y);
    }

    public void Dispose()
    {
        _expected.Dispose();
        File.Delete(Folder + ".expected");
        Directory.Delete(Folder, recursive: true);
    }
}
