// Guides digits by two guiders of one's own, without touching the sampler: away from another class, and towards more ink.
// Usage: OwnGuider [out.png] [steps]
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

string output = args.Length > 0 ? args[0] : "own.png";
int steps = args.Length > 1 ? int.Parse(args[1]) : 20;

using var model = DiffusionModel.Load(ShippedFiles.Find("models/digits.safetensors"));
(string Name, Guidance Guidance)[] ways =
[
    ("cfg", Guidance.ClassifierFree()), ("not a 1", new Guidance { Branches = [new NullBranch(), new NotBranch(1, 1.5)] }), ("ink", Guidance.ClassifierFree() with { Gradients = [new InkGuider(4)] }),
];
var requests = Enumerable.Range(0, 10).Select(c => new SampleRequest(c, new GuidanceScale(2), Index: 0)).ToArray();
var rows = new List<Image>();
foreach (var (_, guidance) in ways)
{
    using var sampler = new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = steps }, new GuidedSamplerOptions { Seed = 1, Guidance = guidance });
    rows.AddRange(sampler.Sample(requests));
}
PngWriter.Write(output, ImageGrid.Compose(rows, requests.Length, scale: 2, columnHeads: [.. requests.Select(r => $"{r.Label}")], rowHeads: [.. ways.Select(w => w.Name)]));
Console.WriteLine($"Wrote {output}: {rows.Count} digits.");

// A branch: the prediction for a class that the picture should not resemble.
internal sealed class NotBranch(int unwanted, double strength) : Branch
{
    public override string Name => "not";

    public override double Strength(SampleRequest request) => request.Label == unwanted ? 0 : strength;

    public override int Label(SampleRequest request, ulong seed, GuidanceMoment moment, int classes) => unwanted;
}

// A gradient: of the mean brightness of the predicted clean picture, which moves the score that the sampler follows.
internal sealed class InkGuider(double strength) : GradientGuider
{
    public override string Name => "ink";

    public override GradientPoint Point => GradientPoint.Denoised;

    public override GradientTarget Target => GradientTarget.Score;

    public override double Weight(SampleRequest request) => strength;

    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs)
    {
        var mean = b.GlobalAveragePool(inputs.Image);
        return new(mean, b.Reshape(b.Constant("one", [.. Enumerable.Repeat(1f, (int)mean.Count)]), mean.Shape));
    }
}
