// Leads digits to their classes by an ordinary classifier of clean images: EluCD for DDPM.
// Usage: EluCd [out.png] [steps]
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;

string output = args.Length > 0 ? args[0] : "elucd.png";
int steps = args.Length > 1 ? int.Parse(args[1]) : 50;

using var model = DiffusionModel.Load(ShippedFiles.Find("models/digits.safetensors"));
using var classifier = ImageClassifier.LoadShippedDigits(model.Kernels);

// The model draws without condition (label -1); the classifier's gradient alone leads to a class.
var settings = new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = steps };
var requests = Enumerable.Range(0, classifier.Classes).Select(c => new SampleRequest(-1, new GuidanceScale(1), Index: 0) { Target = c }).ToArray();
var rows = new List<Image>();
foreach (double scale in (double[])[0, 2, 8])
{
    var guidance = new Guidance { Branches = [], Gradients = [new EluCdGuider(classifier, EluCdSettings.Ddpm with { Scale = scale })] };
    using var sampler = new GuidedSampler(model, settings, new GuidedSamplerOptions { Seed = 1, Guidance = guidance });
    rows.AddRange(sampler.Sample(requests));
}
PngWriter.Write(output, ImageGrid.Compose(
    rows, requests.Length, scale: 2, columnHeads: [.. requests.Select(r => $"{r.Target}")], rowHeads: ["0", "2", "8"]));
Console.WriteLine($"Wrote {output}: {rows.Count} digits, by scale.");
