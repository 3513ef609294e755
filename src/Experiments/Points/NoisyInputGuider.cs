using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Experiments.Points;

/// <summary>EluCD without its first design: the classifier of clean images reads the noisy sample, as classifiers did before (table 3 of the paper).</summary>
internal sealed class NoisyInputGuider(EluCdGuider guider) : GradientGuider
{
    public override string Name => "elucd at the noisy sample";

    public override GradientPoint Point => GradientPoint.State;

    public override GradientTarget Target => guider.Target;

    public override int? Targets => guider.Targets;

    public override IReadOnlyList<Parameters> Weights => guider.Weights;

    public override double Weight(SampleRequest request) => guider.Weight(request);

    public override double VarianceAddend(SamplerRow row, SamplerTable table, double variance) => guider.VarianceAddend(row, table, variance);

    public override void Require(DiffusionModel model) => guider.Require(model);

    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => guider.Record(b, inputs);
}
