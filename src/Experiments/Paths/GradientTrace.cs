using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Experiments.Paths;

/// <summary>
/// What a guider that moves the mean adds to the state at each step, (variance + addend) weight gradient, taken again at the clean predictions that a sampler shows its observer: the gradient of
/// EluCD's figure B.1, which fades or stays.
/// </summary>
internal sealed class GradientTrace : IDisposable
{
    private readonly GradientGuider _guider;
    private readonly SamplerTable _table;
    private readonly IReadOnlyList<SampleRequest> _requests;
    private readonly IKernels _kernels;
    private readonly Arena _arena;
    private readonly Dictionary<int, Plan> _plans = [];
    private readonly double[] _squares;
    private readonly long[] _counts;
    private readonly float[]?[] _shifts;

    /// <summary>Nothing seen yet.</summary>
    /// <exception cref="ArgumentException">The guider does not move the mean, or not at the clean prediction.</exception>
    public GradientTrace(GradientGuider guider, SamplerTable table, IReadOnlyList<SampleRequest> requests, IKernels kernels)
    {
        if (guider.Target != GradientTarget.Mean || guider.Point != GradientPoint.Denoised) throw new ArgumentException($"'{guider.Name}' does not move the mean from the clean prediction.");
        (_guider, _table, _requests, _kernels, _arena) = (guider, table, requests, kernels, new Arena(kernels));
        (_squares, _counts, _shifts) = (new double[table.Rows.Count], new long[table.Rows.Count], new float[]?[table.Rows.Count]);
    }

    /// <summary>Root of the mean square of the shift at each step.</summary>
    public IReadOnlyList<double> Sizes => [.. _squares.Select((s, i) => _counts[i] == 0 ? double.NaN : Math.Sqrt(s / _counts[i]))];

    public void Observe(SamplerObservation observation)
    {
        var row = _table.Rows[observation.Row];
        int images = observation.Denoised.Shape.Batch;
        float[] pixels = new float[observation.Denoised.Shape.Count];
        _kernels.Download(observation.Denoised, pixels);
        var plan = PlanFor(images, observation.Denoised.Shape);
        _kernels.Upload(pixels, plan.Input("image"));
        _kernels.Upload([.. Enumerable.Range(observation.First, images).Select(i => _requests[i].GradientTarget)], plan.Input("labels"));
        _kernels.Upload([.. Enumerable.Repeat((float)row.Timestep, images)], plan.Input("timesteps"));
        plan.Run();
        _kernels.Download(plan.Output("gradient"), pixels);
        double factor = _guider.When.At(observation.Moment) * _guider.Weight(_requests[observation.First]) * (row.C * row.C + _guider.VarianceAddend(row, _table, 0));
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (float)(pixels[i] * factor);
            _squares[observation.Row] += (double)pixels[i] * pixels[i];
        }
        _counts[observation.Row] += pixels.Length;
        _shifts[observation.Row] ??= pixels[..(pixels.Length / images)];
    }

    /// <summary>Magnitude of the shift of the first image at some rows, white the greatest given.</summary>
    public IEnumerable<Image> Pictures(IEnumerable<int> rows, double greatest) => rows.Select(row =>
    {
        int size = (int)Math.Sqrt(_shifts[row]!.Length);
        return new Image(size, size, 1, [.. _shifts[row]!.Select(v => (byte)Math.Clamp(255 * Math.Abs(v) / greatest, 0, 255))]);
    });

    /// <summary>Greatest magnitude in the shift of the first image.</summary>
    public double Greatest(IEnumerable<int> rows) => rows.Max(row => _shifts[row]!.Max(v => Math.Abs((double)v)));

    public void Dispose()
    {
        foreach (var plan in _plans.Values) plan.Dispose();
        _arena.Dispose();
    }

    private Plan PlanFor(int images, Shape shape)
    {
        if (_plans.TryGetValue(images, out var plan)) return plan;
        var b = new PlanBuilder(_kernels, _guider.Weights[0]) { Images = images };
        var image = b.Input("image", shape);
        var objective = _guider.Record(b, new GradientInputs(image, b.Input("labels", new Shape(images)), b.Input("timesteps", new Shape(images))));
        b.Backward(objective.Output, objective.Cotangent, parameters: false, image);
        b.Output("gradient", b.GradientOf(image));
        return _plans[images] = b.Build(_arena);
    }
}
