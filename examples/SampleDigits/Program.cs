// Samples guided digits: one row per class, one column per guidance strength w.
// Usage: SampleDigits [model.safetensors] [out.png]
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;

string path = args.Length > 0 ? args[0] : ShippedFiles.Find("models/digits.safetensors");
string output = args.Length > 1 ? args[1] : "digits.png";
double[] strengths = [0, 0.5, 1, 2, 4];

using var model = DiffusionModel.Load(path);
using var sampler = new GuidedSampler(
    model,
    new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Steps = 20 },
    new GuidedSamplerOptions { Seed = 1, Batch = 10 });

// One sample index per class: a row shows the same noise under growing guidance.
var requests =
    from label in Enumerable.Range(0, model.Settings.ClassNames.Length)
    from w in strengths
    select new SampleRequest(label, (GuidanceScale)new GuidanceStrength(w), Index: label);

var images = sampler.Sample([.. requests]);
PngWriter.Write(output, ImageGrid.Compose(
    images, strengths.Length, scale: 2,
    columnHeads: [.. strengths.Select(w => $"w={w}")], rowHeads: model.Settings.ClassNames));
Console.WriteLine($"Wrote {output}: {images.Length} digits, {sampler.Table}.");
