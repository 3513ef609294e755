using System.Text.Json.Serialization;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>
/// Pictures of four pixels whose classes are Gaussians, so that score and classifier are known at every level: a denoiser and a classifier of one's own, made from
/// public members alone.
/// </summary>
internal static class GaussianWorld
{
    public const int Size = 2, Pixels = 4, Classes = 3;

    private static readonly (double Weight, double[] Mean, double Variance)[] Parts =
    [
        (0.5, [0.8, -0.4, 0.1, 0.6], 0.09), (0.3, [-0.7, 0.5, 0.3, -0.2], 0.16), (0.2, [0.1, 0.2, -0.9, 0.4], 0.04),
    ];

    public static DiffusionSettings Settings => new() { Schedule = NoiseScheduleKind.Linear, Prediction = PredictionType.Eps, ClassNames = ["a", "b", "c"] };

    public static DiffusionModel Model(IKernels kernels) => new(new Config(), Settings, kernels);

    /// <summary>log w_k + log N_k for every class, at a state that is sqrt(alphaBar) x + sqrt(1 - alphaBar) noise.</summary>
    public static double[] Logits(double[] z, double alphaBar) => [.. Parts.Select(p =>
    {
        double v = alphaBar * p.Variance + 1 - alphaBar;
        return Math.Log(p.Weight) - 0.5 * Pixels * Math.Log(v) - z.Zip(p.Mean, (a, m) => (a - Math.Sqrt(alphaBar) * m) * (a - Math.Sqrt(alphaBar) * m)).Sum() / (2 * v);
    })];

    /// <summary>tau1 f_y - log sum exp(tau2 f).</summary>
    public static double Objective(double[] z, double alphaBar, int label, double tau1, double tau2)
    {
        double[] f = Logits(z, alphaBar);
        double most = f.Max(l => tau2 * l);
        return tau1 * f[label] - most - Math.Log(f.Sum(l => Math.Exp(tau2 * l - most)));
    }

    /// <summary>Gradient of the objective by central differences.</summary>
    public static double[] Gradient(double[] z, double alphaBar, int label, double tau1, double tau2)
    {
        const double H = 1e-5;
        double[] gradient = new double[z.Length], at = [.. z];
        for (int i = 0; i < z.Length; i++)
        {
            at[i] = z[i] + H;
            double above = Objective(at, alphaBar, label, tau1, tau2);
            at[i] = z[i] - H;
            gradient[i] = (above - Objective(at, alphaBar, label, tau1, tau2)) / (2 * H);
            at[i] = z[i];
        }
        return gradient;
    }

    /// <summary>-(z - alpha mu) / v: the gradient of one class's logit.</summary>
    public static double[] LogitGradient(double[] z, double alphaBar, int k)
    {
        double v = alphaBar * Parts[k].Variance + 1 - alphaBar;
        return [.. z.Zip(Parts[k].Mean, (a, m) => -(a - Math.Sqrt(alphaBar) * m) / v)];
    }

    /// <summary>The exact noise prediction of a class, or of all.</summary>
    public static double[] Eps(double[] z, double alphaBar, int label)
    {
        double sigma = Math.Sqrt(1 - alphaBar);
        if (label < Classes) return [.. LogitGradient(z, alphaBar, label).Select(g => -sigma * g)];
        double[] share = Shares(Logits(z, alphaBar)), eps = new double[z.Length];
        for (int k = 0; k < Classes; k++)
        {
            double[] gradient = LogitGradient(z, alphaBar, k);
            for (int i = 0; i < eps.Length; i++) eps[i] -= sigma * share[k] * gradient[i];
        }
        return eps;
    }

    public static double[] Shares(double[] logits)
    {
        double most = logits.Max();
        double[] exp = [.. logits.Select(l => Math.Exp(l - most))];
        return [.. exp.Select(e => e / exp.Sum())];
    }

    private static double AlphaBar(float timestep) => Settings.Discrete().AlphaBar[(int)timestep];

    private static float[] Read(IKernels k, Tensor tensor)
    {
        float[] values = new float[tensor.Count];
        k.Download(tensor.View, values);
        return values;
    }

    private static double[] Row(float[] values, int row) => [.. values[(row * Pixels)..((row + 1) * Pixels)].Select(v => (double)v)];

    public sealed record Config : INetworkConfig
    {
        [JsonIgnore]
        public int ImageSize => Size;

        [JsonIgnore]
        public int InChannels => 1;

        [JsonIgnore]
        public int OutChannels => 1;

        [JsonIgnore]
        public int? NumClasses => Classes + 1;

        public IDiffusionNetwork Create() => new Denoiser(this);
    }

    private sealed class Denoiser(Config config) : IDiffusionNetwork
    {
        public INetworkConfig Config => config;

        public void Declare(Parameters parameters) => parameters.Add("unused", new Shape(1));

        public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null)
        {
            var eps = b.Temporary(x.Shape, "eps");
            b.Record("ExactNoise", [x, timesteps, labels], [eps], k =>
            {
                float[] states = Read(k, x), times = Read(k, timesteps), classes = Read(k, labels!), result = new float[states.Length];
                for (int n = 0; n < times.Length; n++)
                    Eps(Row(states, n), AlphaBar(times[n]), BitConverter.SingleToInt32Bits(classes[n])).Select(e => (float)e).ToArray().CopyTo(result, n * Pixels);
                k.Upload(result, eps.View);
            });
            return eps;
        }
    }

    /// <summary>The exact classifier, of noisy images or of clean ones, with its gradient.</summary>
    public sealed class Classifier(IKernels kernels, bool takesNoise) : IClassifierNetwork, IDisposable
    {
        public int Classes => GaussianWorld.Classes;

        public int Channels => 1;

        public int? ImageSize => Size;

        public bool TakesNoise => takesNoise;

        public Parameters Parameters { get; } = new(kernels);

        public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps)
        {
            var logits = b.Temporary(new Shape(images.Shape.Batch, Classes), "logits");
            b.Record("ExactLogits", [images, timesteps], [logits], k =>
            {
                float[] states = Read(k, images), times = Read(k, timesteps);
                k.Upload([.. Enumerable.Range(0, times.Length).SelectMany(n => Logits(Row(states, n), Level(times[n]))).Select(l => (float)l)], logits.View);
            });
            b.OnBackward([images], logits, dlogits =>
            {
                var gradient = b.Temporary(images.Shape, "gradient");
                b.Record("ExactLogitsBackward", [images, timesteps, dlogits], [gradient], k =>
                {
                    float[] states = Read(k, images), times = Read(k, timesteps), d = Read(k, dlogits), result = new float[states.Length];
                    for (int n = 0; n < times.Length; n++)
                        for (int c = 0; c < Classes; c++)
                        {
                            double[] g = LogitGradient(Row(states, n), Level(times[n]), c);
                            for (int i = 0; i < Pixels; i++) result[n * Pixels + i] += (float)(d[n * Classes + c] * g[i]);
                        }
                    k.Upload(result, gradient.View);
                });
                b.PassGradient(gradient, images);
            });
            return logits;
        }

        public void Dispose() => Parameters.Dispose();

        private double Level(float timestep) => takesNoise ? AlphaBar(timestep) : 1;
    }
}
