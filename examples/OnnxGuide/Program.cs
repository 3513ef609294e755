// Leads digits to the classes of a classifier in an ONNX file, which sees images of -1 to 1 with one channel.
// Usage: OnnxGuide classifier.onnx [out.png] [steps]
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Onnx;

string output = args.Length > 1 ? args[1] : "onnx.png";
int steps = args.Length > 2 ? int.Parse(args[2]) : 50;

using var model = DiffusionModel.Load(ShippedFiles.Find("models/digits.safetensors"));
// Every Relu of the graph becomes a softplus, whose gradient is smoother: EluCD's way.
using var classifier = OnnxClassifier.Load(args[0], model.Kernels, new OnnxOptions { SoftplusBeta = 3 });
Console.WriteLine($"{args[0]}: {classifier.Classes} classes, images of {classifier.Network.ImageSize} pixels a side.");

// The model draws without condition (label -1); the classifier's gradient alone leads to a class.
var guidance = new Guidance { Branches = [], Gradients = [new EluCdGuider(classifier, EluCdSettings.Ddpm with { Scale = 8 })] };
var settings = new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = steps };
using var sampler = new GuidedSampler(model, settings, new GuidedSamplerOptions { Seed = 1, Guidance = guidance });
var requests = Enumerable.Range(0, classifier.Classes).Select(c => new SampleRequest(-1, new GuidanceScale(1), Index: 0) { Target = c }).ToArray();
var images = sampler.Sample(requests);
PngWriter.Write(output, ImageGrid.Compose(images, requests.Length, scale: 2, columnHeads: [.. classifier.ClassNames]));
Console.WriteLine($"Wrote {output}: {images.Length} digits.");
