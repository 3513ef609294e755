using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>Guidance by gradients where score and classifier are exact.</summary>
[TestFixture]
public sealed class MixtureGuidanceTests
{
    private const double W = 1.5;

    private static readonly int[] Labels = [0, 1, 2, 1, 0];

    private CpuKernels _kernels = null!;
    private DiffusionModel _model = null!;
    private GaussianWorld.Classifier _noisy = null!, _clean = null!;

    [SetUp]
    public void Start()
    {
        _kernels = new CpuKernels(1);
        _model = GaussianWorld.Model(_kernels);
        (_noisy, _clean) = (new(_kernels, takesNoise: true), new(_kernels, takesNoise: false));
    }

    [TearDown]
    public void End()
    {
        _noisy.Dispose();
        _clean.Dispose();
        _model.Dispose();
        _kernels.Dispose();
    }

    // Dhariwal and Nichol 2021 with Ho and Salimans 2022: p(z) p(c|z)^(w+1) is p(z|c) p(c|z)^w, and the implicit classifier is the exact one.
    [Test]
    public void Guiding_the_unconditional_model_by_w_and_1_is_guiding_the_conditional_one_by_w([Values(SamplerKind.Ddim, SamplerKind.Ancestral, SamplerKind.DpmSolver2M, SamplerKind.Heun)] SamplerKind kind)
    {
        float[][] conditional = Sample(kind, 20, ByClassifier(W), conditional: true), unconditional = Sample(kind, 20, ByClassifier(W + 1), conditional: false);
        float[][] free = Sample(kind, 20, Guidance.ClassifierFree(), conditional: true, scale: 1 + W);
        AssertClose(unconditional, conditional, 1e-3);
        AssertClose(free, conditional, 1e-3);
        Assert.That(Distance(conditional, Sample(kind, 20, Guidance.None, conditional: true)), Is.GreaterThan(0.02), "guidance does something");
    }

    // Algorithm 1 moves the mean by the variance, and the score moves it by beta / sqrt(1 - beta): equal as the steps become small.
    [Test]
    public void Moving_the_mean_obeys_the_same_rule_as_steps_become_small()
    {
        double Difference(int steps) => Distance(
            Sample(SamplerKind.Ancestral, steps, ByClassifier(W, GradientTarget.Mean), conditional: true), Sample(SamplerKind.Ancestral, steps, ByClassifier(W + 1, GradientTarget.Mean), conditional: false));
        double coarse = Difference(25), fine = Difference(250);
        Assert.That(fine, Is.LessThan(0.03));
        Assert.That(fine, Is.LessThan(coarse / 4));
    }

    [TestCase(1, 1)]
    [TestCase(1, 0.5)]
    [TestCase(1.7, 0)]
    [TestCase(0.4, 1.3)]
    public void Temperatures_give_the_closed_forms(double tau1, double tau2)
    {
        double[] x = [0.3, -0.2, 0.5, 0.1];
        double[] f = GaussianWorld.Logits(x, 1), share = GaussianWorld.Shares([.. f.Select(l => tau2 * l)]);
        for (int y = 0; y < GaussianWorld.Classes; y++)
        {
            double[] expected = new double[x.Length];
            for (int k = 0; k < GaussianWorld.Classes; k++)
            {
                double[] gradient = GaussianWorld.LogitGradient(x, 1, k);
                for (int i = 0; i < x.Length; i++) expected[i] += (k == y ? tau1 * gradient[i] : 0) - tau2 * share[k] * gradient[i];
            }
            Assert.That(ObjectiveGradient(x, y, tau1, tau2).Select(v => (double)v), Is.EqualTo(expected).Within(1e-4), $"class {y}");
            Assert.That(GaussianWorld.Gradient(x, 1, y, tau1, tau2), Is.EqualTo(expected).Within(1e-6), "the definition");
        }
    }

    [Test]
    public void Near_a_mode_the_conditional_gradient_fades_and_the_joint_one_stays()
    {
        double Norm(float[] v) => Math.Sqrt(v.Sum(g => (double)g * g));
        double[] near = [1.1, -0.7, 0.1, 0.9];
        Assert.That(Norm(ObjectiveGradient(near, 0, 1, 1)), Is.LessThan(1e-3));
        Assert.That(Norm(ObjectiveGradient(near, 0, 1, 0)), Is.GreaterThan(1));
    }

    /// <summary>What a guider moves, and along which gradient: at the state, or at the clean prediction.</summary>
    private static IEnumerable<TestCaseData> Shifts()
    {
        foreach (var (tau1, tau2) in new[] { (1.0, 1.0), (1, 0.5), (1.5, 0) })
            foreach (double sine in new[] { 0, 0.3 })
                yield return new TestCaseData((MixtureGuidanceTests t) => (GradientGuider)new EluCdGuider(t._clean, new EluCdSettings { Scale = 1, JointTemperature = tau1, MarginalTemperature = tau2, Sine = sine }),
                    SamplerKind.Ancestral, false, tau1, tau2).SetArgDisplayNames($"elucd, {tau1} and {tau2}, sine {sine}");
        yield return new TestCaseData((MixtureGuidanceTests t) => (GradientGuider)new ClassifierGuider(t._noisy, 1, GradientTarget.Mean), SamplerKind.Ancestral, true, 1.0, 1.0).SetArgDisplayNames("classifier, mean");
        foreach (var kind in new[] { SamplerKind.Ddim, SamplerKind.Ancestral, SamplerKind.DpmSolver2M, SamplerKind.Euler })
            yield return new TestCaseData((MixtureGuidanceTests t) => (GradientGuider)new ClassifierGuider(t._noisy, 1), kind, true, 1.0, 1.0).SetArgDisplayNames($"classifier, score, {kind}");
    }

    // The first step in which it acts moves the state along the gradient, and so raises what it should raise.
    [TestCaseSource(nameof(Shifts))]
    public void A_guider_moves_along_its_gradient_and_raises_its_objective(Func<MixtureGuidanceTests, GradientGuider> guider, SamplerKind kind, bool atState, double tau1, double tau2)
    {
        const int Acts = 6;
        var acting = guider(this);
        var plain = Observe(kind, Guidance.None, Acts);
        var guided = Observe(kind, new Guidance { Branches = [], Gradients = [Inside(acting, GuidanceInterval.Steps(Acts, Acts))] }, Acts);
        double alphaBar = 1 / (1 + Math.Exp(-plain.Before.LogSnr));
        int compared = 0;
        for (int n = 0; n < Labels.Length; n++)
        {
            double[] at = atState ? plain.StateBefore[n].Select(v => v * plain.Before.NoisyScale).ToArray() : [.. plain.Denoised[n].Select(v => (double)v)];
            double[] gradient = GaussianWorld.Gradient(at, atState ? alphaBar : 1, Labels[n], tau1, tau2);
            // Beyond doubt about its class a sample has no gradient left.
            if (Rms(gradient) < 1e-4) continue;
            compared++;
            double[] moved = [.. guided.StateAfter[n].Zip(plain.StateAfter[n], (a, b) => (double)a - b)];
            double along = moved.Zip(gradient, (a, b) => a * b).Sum(), lengths = Math.Sqrt(moved.Sum(v => v * v) * gradient.Sum(v => v * v));
            Assert.That(along / lengths, Is.GreaterThan(0.999), $"sample {n}");
            double step = 1e-3 / Math.Sqrt(moved.Sum(v => v * v));
            Assert.That(GaussianWorld.Objective([.. at.Zip(moved, (a, d) => a + step * d)], atState ? alphaBar : 1, Labels[n], tau1, tau2),
                Is.GreaterThan(GaussianWorld.Objective(at, atState ? alphaBar : 1, Labels[n], tau1, tau2)), $"sample {n}");
        }
        Assert.That(compared, Is.GreaterThan(0));
    }

    // R(G) = R(x) w, whatever the gradient's own size; the direction is that of the gradient at x / max(1, R(x)).
    [Test]
    public void The_edm_form_moves_a_state_by_its_own_size_times_the_weight([Values(0, 0.5, 1)] double tau2)
    {
        const int Acts = 3, Steps = 8;
        var settings = new EluCdSettings { Scale = 0.01, JointTemperature = 1, MarginalTemperature = tau2, Sine = 0.3 };
        var guider = new EluCdEdmGuider(_clean, settings);
        double weight = 0.01 * (Steps + 1.0 - Acts) / (Steps + 1) + 0.01 * 0.3 * Math.Sin(Math.PI * Acts / Steps);
        Assert.That(guider.When.At(new GuidanceMoment(Acts, Steps, 0)), Is.EqualTo(weight).Within(1e-12));
        float[][] seen = [];
        using var sampler = new GuidedSampler(_model, new SamplerSettings { Kind = SamplerKind.Euler, Steps = Steps, Clip = false }, new GuidedSamplerOptions
        {
            Guidance = new Guidance { Branches = [], Gradients = [Inside(guider, GuidanceInterval.Steps(Acts, Acts))] }, Batch = Labels.Length,
            Observer = o => seen = o.Moment.Step == Acts - 1 ? Rows(o.State) : seen,
        });
        // What the step reads is the state that was moved: denoised = (z - sigma eps(z)) / alpha at it.
        float[][] after = [];
        using var spy = new GuidedSampler(_model, sampler.Table, sampler.Options with { Observer = o => after = o.Moment.Step == Acts ? Rows(o.Denoised) : after });
        sampler.Sample(Requests(true, 1), (_, _) => { });
        spy.Sample(Requests(true, 1), (_, _) => { });
        SamplerRow row = sampler.Table.Rows[Acts];
        for (int n = 0; n < Labels.Length; n++)
        {
            double[] z = [.. seen[n].Select(v => (double)v)];
            double size = Rms(z);
            double[] q = [.. z.Select(v => v / Math.Max(1, size))], g = GaussianWorld.Gradient(q, 1, Labels[n], 1, tau2);
            double[] moved = [.. z.Zip(g, (v, d) => v + d / Rms(g) * size * weight)];
            double[] eps = GaussianWorld.Eps([.. moved.Select(v => v * row.InputScale)], GaussianWorld.Settings.Discrete().AlphaBar[(int)Math.Round(row.Timestep)], Labels[n]);
            double[] expected = [.. moved.Zip(eps, (v, e) => row.XFromZ * v + row.XFromG * e)];
            Assert.That(after[n].Select(v => (double)v), Is.EqualTo(expected).Within(2e-3), $"sample {n}");
        }
    }

    [Test]
    public void Without_scale_the_edm_form_keeps_its_floor_and_the_others_do_nothing()
    {
        Assert.That(new EluCdEdmGuider(_clean, new EluCdSettings { Scale = 0, Sine = 0.3 }).When.At(new GuidanceMoment(2, 8, 0)), Is.EqualTo(1e-5));
        float[][] plain = Sample(SamplerKind.Ancestral, 6, Guidance.None, conditional: true);
        Assert.That(Sample(SamplerKind.Ancestral, 6, ByClassifier(0, GradientTarget.Mean), conditional: true), Is.EqualTo(plain));
        Assert.That(Sample(SamplerKind.Ancestral, 6, ByClassifier(0), conditional: true), Is.EqualTo(plain));
        Assert.That(Sample(SamplerKind.Ancestral, 6, new Guidance { Branches = [], Gradients = [new EluCdGuider(_clean, new EluCdSettings { Scale = 0 })] }, conditional: true), Is.EqualTo(plain));
    }

    // gamma_t = variance + gamma V sin(pi t / T): highest in the middle, nothing at the ends, never below 0.
    [Test]
    public void The_sine_adds_in_the_middle_of_the_path()
    {
        SamplerTable table = new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 20 }.Build(_model);
        double V = table.Rows[0].C * table.Rows[0].C;
        double[] none = [.. table.Rows.Select(r => new EluCdGuider(_clean, new EluCdSettings { Sine = 0 }).VarianceAddend(r, table, 0))];
        double[] added = [.. table.Rows.Select(r => new EluCdGuider(_clean, new EluCdSettings { Sine = 0.3 }).VarianceAddend(r, table, 0))];
        Assert.That(none, Is.All.Zero);
        Assert.That(added, Is.All.GreaterThanOrEqualTo(0));
        Assert.That(added.Max(), Is.EqualTo(0.3 * V).Within(1e-9 * V));
        Assert.That(Array.IndexOf(added, added.Max()), Is.EqualTo(9), "t = T / 2");
        Assert.That(added[^1], Is.Zero, "t = 0");
    }

    private Guidance ByClassifier(double scale, GradientTarget target = GradientTarget.Score) => new() { Branches = [], Gradients = [new ClassifierGuider(_noisy, scale, target)] };

    private static GradientGuider Inside(GradientGuider guider, GuidanceInterval interval) => guider switch
    {
        ClassifierGuider or EluCdGuider or EluCdEdmGuider => new WindowedGuider(guider) { When = guider.When.Inside(interval) },
        _ => throw new NotSupportedException(),
    };

    private float[][] Sample(SamplerKind kind, int steps, Guidance guidance, bool conditional, double scale = 1)
    {
        var settings = new SamplerSettings { Kind = kind, Steps = steps, Clip = false, Variance = kind == SamplerKind.Ancestral ? AncestralVariance.FixedLarge : null };
        using var sampler = new GuidedSampler(_model, settings, new GuidedSamplerOptions { Guidance = guidance, Seed = 4 });
        float[][] images = new float[Labels.Length][];
        sampler.Sample(Requests(conditional, scale), (i, pixels) => images[i] = pixels.ToArray());
        return images;
    }

    private static SampleRequest[] Requests(bool conditional, double scale) =>
        [.. Labels.Select((y, i) => new SampleRequest(conditional ? y : -1, new GuidanceScale(conditional ? scale : 1), i) { Target = y })];

    private (SamplerRow Before, double[][] StateBefore, float[][] Denoised, float[][] StateAfter) Observe(SamplerKind kind, Guidance guidance, int step)
    {
        float[][] before = [], denoised = [], after = [];
        using var sampler = new GuidedSampler(_model, new SamplerSettings { Kind = kind, Steps = 20, Clip = false }, new GuidedSamplerOptions
        {
            Guidance = guidance, Batch = Labels.Length, Seed = 4,
            Observer = o =>
            {
                if (o.Moment.Step == step - 1) before = Rows(o.State);
                if (o.Moment.Step == step) (denoised, after) = (Rows(o.Denoised), Rows(o.State));
            },
        });
        sampler.Sample(Requests(true, 1), (_, _) => { });
        return (sampler.Table.Rows.First(r => r.StepIndex == step), [.. before.Select(r => r.Select(v => (double)v).ToArray())], denoised, after);
    }

    private float[][] Rows(TensorView view)
    {
        float[] values = new float[view.Count];
        ((IKernels)_kernels).Download(view, values);
        return [.. values.Chunk(GaussianWorld.Pixels)];
    }

    private float[] ObjectiveGradient(double[] x, int label, double tau1, double tau2)
    {
        IKernels kernels = _kernels;
        var b = new PlanBuilder(kernels);
        Tensor image = b.Input("x", new Shape(1, 2, 2, 1)), labels = b.Input("labels", new Shape(1)), times = b.Input("t", new Shape(1));
        var objective = new EluCdGuider(_clean, new EluCdSettings { JointTemperature = tau1, MarginalTemperature = tau2 }).Record(b, new GradientInputs(image, labels, times));
        b.Backward(objective.Output, objective.Cotangent, parameters: false, image);
        var gradient = b.Output("gradient", b.GradientOf(image));
        using var plan = b.Build();
        kernels.Upload([.. x.Select(v => (float)v)], image.View);
        kernels.Upload([label], labels.View);
        plan.Run();
        return gradient.View.Span.ToArray();
    }

    private static double Rms(double[] v) => Math.Sqrt(v.Average(e => e * e));

    private static double Distance(float[][] a, float[][] b) => Math.Sqrt(a.Zip(b, (x, y) => x.Zip(y, (p, q) => Math.Pow(p - q, 2)).Average()).Average());

    private static void AssertClose(float[][] got, float[][] expected, double tolerance)
    {
        for (int n = 0; n < got.Length; n++) Assert.That(got[n], Is.EqualTo(expected[n]).Within(tolerance), $"sample {n}");
    }

    /// <summary>A guider at other times, in all else itself.</summary>
    private sealed class WindowedGuider(GradientGuider guider) : GradientGuider
    {
        public override string Name => guider.Name;

        public override GradientPoint Point => guider.Point;

        public override GradientTarget Target => guider.Target;

        public override GradientNorm Norm => guider.Norm;

        public override int? Targets => guider.Targets;

        public override IReadOnlyList<Parameters> Weights => guider.Weights;

        public override double Weight(SampleRequest request) => guider.Weight(request);

        public override double VarianceAddend(SamplerRow row, SamplerTable table, double variance) => guider.VarianceAddend(row, table, variance);

        public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => guider.Record(b, inputs);
    }
}
