using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>One guided DPM-Solver++ step by the sampler: one plan over the doubled batch for each group of images that it would take at once.</summary>
internal sealed class GuidedPass : BenchPass
{
    private readonly GuidedSampler _sampler;
    private readonly SampleRequest[] _requests;

    public GuidedPass(DiffusionModel model, int batch)
    {
        _sampler = new GuidedSampler(model, MiddleStep(model));
        _requests = [.. Labels(model, batch).Select((label, i) => new SampleRequest(label, new GuidanceScale(Scale), i))];
        _sampler.Sample(_requests, (_, _) => { });
    }

    /// <summary>The scale of both guided passes.</summary>
    public static double Scale => 3;

    public override double Flops => Enumerable.Range(0, Groups).Sum(g => BenchMeasurement.Flops(PlanOf(g)));

    public override long PlanBytes => Plan.PeakBytes;

    public override Plan Plan => PlanOf(0);

    private int Groups => _sampler.Groups(_requests.Length);

    /// <summary>A step in the middle, the same for both guided passes, as a table of its own.</summary>
    public static SamplerTable MiddleStep(DiffusionModel model)
    {
        var table = new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Steps = 20 }.Build(model);
        return new SamplerTable(table.Name, [table.Rows[10]], table.InitialScale, table.PictureStart);
    }

    public override void Run()
    {
        for (int g = 0; g < Groups; g++)
        {
            var (start, count) = _sampler.Group(_requests.Length, g);
            _sampler.Advance(_requests.AsSpan(start, count), 0);
        }
    }

    public override void Dispose() => _sampler.Dispose();

    private Plan PlanOf(int group)
    {
        int images = _sampler.Group(_requests.Length, group).Count;
        return _sampler.PlanFor(images, 2 * images);
    }
}
