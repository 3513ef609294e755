using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>One guided run of a reference case: its settings, which stand in a variant or in the configuration, and its states.</summary>
internal sealed class GuidedRun(ReferenceCase reference, int variant)
{
    private readonly bool _hasVariants = reference.Config.TryGetProperty("variants", out _);

    /// <summary>A test case for each run of the cases of a kind: the case and its variant, 0 where it has none.</summary>
    public static IEnumerable<TestCaseData> OfKind(string kind) =>
        from reference in ReferenceCase.OfKind(kind)
        from i in Enumerable.Range(0, reference.Config.TryGetProperty("variants", out var variants) ? variants.GetArrayLength() : 1)
        select new TestCaseData(reference, i).SetArgDisplayNames(reference.Name, $"{i}");

    /// <summary>The model with timesteps that the run takes, from the case that holds its network.</summary>
    public DiffusionModel VpModel(CpuKernels kernels)
    {
        var networkCase = reference.Sibling(Text("model"));
        var network = ModelJson.Read<UNetConfig>(networkCase.Config.GetRawText());
        var settings = new DiffusionSettings
        {
            Schedule = Text("schedule") == "linear" ? NoiseScheduleKind.Linear : NoiseScheduleKind.Cosine,
            ClassNames = [.. Enumerable.Range(0, network.NumClasses ?? 0).Select(i => i.ToString())],
            NullClass = false,
        };
        var model = new DiffusionModel(network, settings, kernels);
        networkCase.LoadWeights(model.Parameters, kernels);
        return model;
    }

    public bool Has(string name) => Find(name) is { ValueKind: not JsonValueKind.Null };

    public string Text(string name) => Find(name)!.Value.GetString()!;

    public double Number(string name, double otherwise) => Has(name) ? Find(name)!.Value.GetDouble() : otherwise;

    public bool Flag(string name, bool otherwise) => Has(name) ? Find(name)!.Value.GetBoolean() : otherwise;

    public int[] Labels(string name) => [.. Read(name).Select(v => (int)v)];

    /// <summary>An entry of the variant (<c>in.0.x</c>, <c>timesteps.0</c>), or of a case without variants.</summary>
    public float[] Read(params string[] names) => reference.Read(Names(names).First(reference.Has));

    /// <summary>Samples with the run's start and noise and compares every state.</summary>
    public void Check(DiffusionModel model, SamplerTable table, GradientGuider guider, CpuKernels kernels, int size, int[] labels, double startScale = 1)
    {
        const int Channels = 3;
        int n = labels.Length, count = n * Channels * size * size, compared = 0;
        float[] At(float[] all, int step) => ReferenceCase.ToNhwc(all[(step * count)..((step + 1) * count)], n, Channels, size, size);
        float[] start = [.. At(Read("x", "xT", "latents"), 0).Select(v => (float)(v * startScale))];
        float[] states = Read("states", "trajectory");
        float[]? noise = Names("noise").Any(reference.Has) ? Read("noise") : null;
        int steps = states.Length / count;
        double bound = _hasVariants ? 5e-4 : 2e-3;
        using var cancel = new CancellationTokenSource();
        using var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions
        {
            Batch = n,
            Guidance = new Guidance { Branches = [], Gradients = [guider] },
            InitialState = start,
            Noise = row => noise is null ? new float[count] : At(noise, Math.Min(table.Rows[row].StepIndex, noise.Length / count - 1)),
            AfterEvaluation = (row, state) =>
            {
                int step = table.Rows[row].StepIndex;
                if (row + 1 < table.Rows.Count && table.Rows[row + 1].StepIndex == step) return;
                ReferenceCase.AssertClose(state.Span.ToArray(), At(states, step), bound, $"state after step {step}");
                // Some cases take the first steps only.
                if (++compared == steps) cancel.Cancel();
            },
        });
        var requests = labels.Select((y, i) => new SampleRequest(model.IsConditional ? y : -1, new GuidanceScale(1), i) { Target = y }).ToArray();
        if (steps < table.Steps) Assert.That(() => sampler.Sample(requests, (_, _) => { }, cancellation: cancel.Token), Throws.InstanceOf<OperationCanceledException>());
        else sampler.Sample(requests, (_, _) => { });
        Assert.That(compared, Is.EqualTo(steps));
    }

    private IEnumerable<string> Names(params string[] names) => names.SelectMany(name => _hasVariants
        ? new[] { $"in.{variant}.{name}", $"out.{variant}.{name}", $"{name}.{variant}" }
        : [$"in.{name}", $"out.{name}", name]);

    private JsonElement? Find(string name)
    {
        var config = reference.Config;
        if (_hasVariants && config.GetProperty("variants")[variant].TryGetProperty(name, out var own)) return own;
        return config.TryGetProperty(name, out var shared) ? shared : null;
    }
}
