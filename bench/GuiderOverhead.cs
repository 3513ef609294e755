using System.Globalization;
using System.Text;
using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Bench;

/// <summary>
/// What does each kind of guidance add to a step? Every kind takes the same ancestral step in turns, beside an unguided one and one with plain
/// classifier-free guidance; the medians of the rounds' ratios are written.
/// </summary>
internal static class GuiderOverhead
{
    private const int WarmupRounds = 3, Steps = 20;
    private const double ClassifierShare = 0.1;

    private sealed record Arm(string Name, Guidance Guidance)
    {
        public GuidedSampler Sampler { get; set; } = null!;
    }

    /// <summary>Measures every network and batch, and writes <c>GuiderOverhead.md</c> and <c>.csv</c>.</summary>
    public static void Run()
    {
        SamplerCase[] cases = BenchForm.Size switch
        {
            BenchSize.Tiny => [new("tiny", 1)],
            BenchSize.Short => [new("digits", 4), new("small32", 4)],
            _ => [new("digits", 1), new("digits", 8), new("small32", 1), new("small32", 4), new("base64", 1)],
        };
        var text = new StringBuilder("# GuiderOverhead\n\n").Append(ResultFiles.Header("")).Append('\n');
        text.AppendLine(CultureInfo.InvariantCulture, $"Medians over rounds in turns. The classifiers of elucd are the ResNets with softplus whose forward pass is nearest to {ClassifierShare:P0} and {ClassifierShare / 2:P0} of the denoiser's FLOPs.\n");
        var csv = new StringBuilder(ResultFiles.Header("# ")).AppendLine("preset,batch,guidance,rounds,milliseconds,ratio_unguided,ratio_cfg");
        foreach (var measured in cases)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"## {measured}\n\n| guidance | ms | / unguided | / cfg |\n|---|---:|---:|---:|");
            foreach (var (name, rounds, milliseconds, unguided, cfg) in Measure(measured, text))
            {
                string row = string.Create(CultureInfo.InvariantCulture, $"| {name} | {milliseconds:0.00} | {unguided:0.000} | {cfg:0.000} |");
                text.AppendLine(row);
                Console.WriteLine($"{measured}: {row}");
                csv.AppendLine(CultureInfo.InvariantCulture, $"{measured.Preset},{measured.Batch},\"{name}\",{rounds},{milliseconds:0.#####},{unguided:0.#####},{cfg:0.#####}");
            }
            text.AppendLine();
        }
        ResultFiles.WriteText("GuiderOverhead.md", text.ToString());
        ResultFiles.WriteText("GuiderOverhead.csv", csv.ToString());
    }

    private static IEnumerable<(string Name, int Rounds, double Milliseconds, double Unguided, double Cfg)> Measure(SamplerCase measured, StringBuilder text)
    {
        using var kernels = BenchForm.Open();
        using var model = measured.CreateModel(kernels);
        using var arena = new Arena(kernels);
        var table = new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = Steps }.Build(model);
        SampleRequest[] requests = [.. Enumerable.Range(0, measured.Batch).Select(i => new SampleRequest(i % model.NullLabel, new GuidanceScale(BenchModels.Scale), i))];
        using Parameters weights = new(kernels), smallWeights = new(kernels);
        using var classifier = Classifier(model, weights, measured.Batch, ClassifierShare, out double share);
        using var small = Classifier(model, smallWeights, measured.Batch, ClassifierShare / 2, out double smallShare);
        text.Insert(text.Length - "| guidance | ms | / unguided | / cfg |\n|---|---:|---:|---:|\n".Length, string.Create(
            CultureInfo.InvariantCulture, $"Classifiers forward: {share:P1} and {smallShare:P1} of the denoiser's; backward towards the images as much again.\n\n"));
        Arm[] arms = [.. Arms(measured, classifier, small)];
        foreach (var arm in arms)
        {
            arm.Sampler = new GuidedSampler(model, table, new GuidedSamplerOptions { Batch = measured.Batch, Guidance = arm.Guidance }, arena);
            arm.Sampler.Sample(requests, (_, _) => { });
        }
        double seconds = BenchForm.Size switch { BenchSize.Long => 40, BenchSize.Short => 15, _ => 0 };
        var times = InTurns.Milliseconds(arms.Length, WarmupRounds, seconds, arm =>
        {
            arms[arm].Sampler.Advance(requests, Steps / 2);
            kernels.Synchronize();
        });
        foreach (var arm in arms) arm.Sampler.Dispose();
        return [.. arms.Zip(times, (arm, own) => (arm.Name, own.Count, InTurns.Median(own), InTurns.Ratio(own, times[0]), InTurns.Ratio(own, times[1])))];
    }

    private static IEnumerable<Arm> Arms(SamplerCase measured, ResNetClassifier classifier, ResNetClassifier small)
    {
        Guidance Combined(Combination combination) => new() { Combination = combination };
        yield return new("unguided", Guidance.None);
        yield return new("cfg", Guidance.ClassifierFree());
        yield return new("rescale", Combined(ReweightedCombination.Rescale()));
        yield return new("zero*", Combined(ReweightedCombination.ZeroStar()));
        yield return new("tcfg", Combined(ReweightedCombination.Tangential()));
        yield return new("mambo-g", Combined(ReweightedCombination.Magnitude()));
        yield return new("apg", Combined(ReweightedCombination.Projected()));
        yield return new("apg-momentum", Combined(new ProjectedCombination()));
        yield return new("fdg", Combined(new FrequencyCombination()));
        yield return new("dynamic threshold", new Guidance { Threshold = new DynamicThreshold() });
        yield return new("elucd, forward a tenth", new Guidance { Branches = [], Gradients = [new EluCdGuider(classifier)] });
        yield return new("elucd, forward a twentieth", new Guidance { Branches = [], Gradients = [new EluCdGuider(small)] });
        if (measured.Network.AttentionResolutions.Length == 0) yield break;
        yield return new("pag", new Guidance { Branches = [new PerturbedBranch(PerturbationKind.IdentityAttention, 2)] });
        yield return new("cfg + pag", new Guidance { Branches = [new NullBranch(), new PerturbedBranch(PerturbationKind.IdentityAttention, 2)] });
        yield return new("cfg + slg", new Guidance { Branches = [new NullBranch(), new PerturbedBranch(PerturbationKind.SkippedBlock, 2)] });
        yield return new("cfg + seg", new Guidance { Branches = [new NullBranch(), new PerturbedBranch(PerturbationKind.BlurredQueries, 2)] });
    }

    /// <summary>The ResNet whose forward pass takes nearest to a share of the denoiser's.</summary>
    private static ResNetClassifier Classifier(DiffusionModel model, Parameters weights, int batch, double wanted, out double share)
    {
        var network = model.Network.Config;
        double denoiser = PlanFlops(model.Kernels, b => model.Network.Record(
            b, b.Input("z", new Shape(batch, network.ImageSize, network.ImageSize, network.InChannels)), b.Input("t", new Shape(batch)), b.Input("y", new Shape(batch))), model.Parameters);
        // Whole vectors of channels: a narrower network takes as long as one of 16. Three stages as He et al. have for small pictures, or four; none deeper than the one before.
        int[][] depths = [.. from first in new[] { 1, 2, 3 } from second in Enumerable.Range(1, first) from third in Enumerable.Range(1, second)
                             from layers in (int[][])[[first, second, third], .. Enumerable.Range(1, third).Select(fourth => (int[])[first, second, third, fourth])] select layers];
        var candidates =
            from layers in depths
            from width in new[] { 16, 32, 48, 64 }
            let config = new ResNetConfig
            {
                Layers = [.. layers], Width = width, InChannels = network.InChannels, Classes = model.NullLabel, Stem = ResNetStem.Cifar,
            }
            select (Config: config, Share: Flops(config) / denoiser);
        (var nearest, share) = candidates.MinBy(c => Math.Abs(c.Share - wanted));
        var chosen = new ResNet(nearest);
        chosen.Declare(weights);
        WeightInitialization.Apply(weights, model.Kernels, 1);
        return new ResNetClassifier(chosen, weights, new ResNetGuideOptions { SoftplusBeta = 3 });

        double Flops(ResNetConfig config)
        {
            using var declared = new Parameters(model.Kernels);
            var candidate = new ResNet(config);
            candidate.Declare(declared);
            return PlanFlops(
                model.Kernels, b => candidate.Record(b, b.Input("x", new Shape(batch, network.ImageSize, network.ImageSize, network.InChannels))), declared);
        }
    }

    private static double PlanFlops(IKernels kernels, Func<PlanBuilder, Tensor> record, Parameters parameters)
    {
        var b = new PlanBuilder(kernels, parameters);
        b.Output("y", record(b));
        using var plan = b.Build();
        return plan.Flops;
    }
}
