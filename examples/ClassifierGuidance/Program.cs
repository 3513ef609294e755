// Leads digits to their classes by a classifier of one's own: here linear, with the mean image of each class as its template.
// Usage: ClassifierGuidance [out.png] [steps]
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

string output = args.Length > 0 ? args[0] : "classifier-guidance.png";
var settings = new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = args.Length > 1 ? int.Parse(args[1]) : 50 };

using var model = DiffusionModel.Load(ShippedFiles.Find("models/digits.safetensors"));
using var classifier = new Templates(ShippedDigits.LoadTrain().PadTo(32), model.Kernels);
var requests = Enumerable.Range(0, classifier.Classes).Select(c => new SampleRequest(-1, new GuidanceScale(1), Index: c) { Target = c }).ToArray();
double[] scales = [0, 10, 30];
var rows = new List<Image>();
foreach (double scale in scales)
{
    // No branch: the model draws without condition (label -1), and the classifier's gradient alone leads to a class.
    var guidance = new Guidance { Branches = [], Gradients = [new ClassifierGuider(classifier, scale, GradientTarget.Mean)] };
    using var sampler = new GuidedSampler(model, settings, new GuidedSamplerOptions { Seed = 1, Guidance = guidance });
    rows.AddRange(sampler.Sample(requests));
}
PngWriter.Write(output, ImageGrid.Compose(rows, requests.Length, scale: 2, columnHeads: [.. requests.Select(r => $"{r.Target}")], rowHeads: [.. scales.Select(s => $"{s}")]));
Console.WriteLine($"Wrote {output}: {rows.Count} digits, by scale.");

// A linear answer to a noisy image is that to the clean one on average, so it needs not be told the noise.
internal sealed class Templates : IClassifierNetwork, IDisposable
{
    private const float Sharpness = 0.01f;

    public Templates(ImageDataset images, IKernels kernels)
    {
        Parameters = new Parameters(kernels);
        var weight = Parameters.Add("weight", new Shape(images.ClassCount, images.RowLength));
        float[] sum = new float[weight.Shape.Count], image = new float[images.RowLength];
        for (int i = 0; i < images.Count; i++)
        {
            images.CopyRow(i, image);
            int label = images.Labels.Span[i], count = images.Count / images.ClassCount;
            for (int p = 0; p < image.Length; p++) sum[label * image.Length + p] += Sharpness * image[p] / count;
        }
        kernels.Upload(sum, Parameters.ValueOf(weight));
    }

    public int Classes => Parameters["weight"].Shape[0];
    public int Channels => 1;
    public int? ImageSize => 32;
    public bool TakesNoise => true;
    public Parameters Parameters { get; }

    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) =>
        b.Linear(b.Reshape(images, new Shape(images.Shape.Batch, 32 * 32)), b.Parameter("weight"));
    public void Dispose() => Parameters.Dispose();
}
