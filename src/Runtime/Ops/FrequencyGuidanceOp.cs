using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Frequency-decoupled guidance (FDG; Sadat et al., arXiv 2506.19713) by the first branch, in place: Laplacian pyramids of both predictions are guided
    /// level by level and put together, the result takes the place of the conditional prediction, and the weights become 1, 0, ..., 0
    /// (<see cref="IKernels.PutGuided"/>). At level k, with c and u of the bands of both predictions and d = c - u,
    /// <code>
    /// q = base + s (parallel d_along + d_across)      base u, or c if original; along and across c
    /// </code>
    /// A level is halved by blurring with [1 4 6 4 1] / 16 along either axis, reflected at the border, and the mean of 2 x 2; it is doubled by linear
    /// interpolation and the same blur. The scales are the bands' own: of branch 1's weight only counts whether it is 0. It has no gradient.
    /// </summary>
    /// <param name="options">The bands.</param>
    /// <param name="prediction">[R,H,W,C] or [R,H,W,2C]; rows 0 to N - 1 are conditional; updated.</param>
    /// <param name="branchRow">Row of each sample's branches, from N on, or -1; int32 bits, [N,K] with K from 1 to 4.</param>
    /// <param name="channels">C, the channels of a sample.</param>
    /// <param name="weight">m, w_1 to w_K of each sample, [N,1+K]; updated.</param>
    /// <exception cref="ArgumentException">Shapes do not fit together, sizes do not halve, or a number is out of its range.</exception>
    public void FrequencyGuidance(FrequencyGuidanceOptions options, Tensor prediction, Tensor branchRow, int channels, Tensor weight)
    {
        CheckGuided(nameof(FrequencyGuidance), prediction, branchRow, channels, weight);
        if (prediction.Shape.Rank != 4) throw new ArgumentException($"FrequencyGuidance takes predictions of images [R,H,W,C]; got {prediction}.");
        if (options.GuidedChannels < 0 || options.GuidedChannels > channels)
            throw new ArgumentException($"Guidance combines the first {options.GuidedChannels} of {channels} channels; 0 combines all.");
        options.Require(prediction.Shape[1], prediction.Shape[2]);
        int samples = weight.Shape.Batch;
        var conditional = Rows(prediction, 0, samples);
        if (prediction.Shape.Channels > channels) conditional = Slice(conditional, 0, channels);
        var other = Temporary(conditional.Shape, "branch");
        Record(nameof(IKernels.TakeBranch), [prediction, branchRow], [other], k => k.TakeBranch(prediction.View, branchRow.View, other.View));
        RefuseGradient(nameof(FrequencyGuidance), [prediction], other);

        var guided = Levels(conditional, other, 0);
        double rescale = options.RescaleBands ? 0 : options.Bands[0].Rescale;
        if (rescale > 0)
        {
            // As weights f and -f of a pair whose combination is the guided one itself.
            var (factor, _) = PairWeights(conditional, guided, -1, new() { Rescale = (float)rescale, GuidedChannels = options.GuidedChannels });
            guided = ScaleRows(guided, factor);
        }
        int used = options.GuidedChannels > 0 ? options.GuidedChannels : channels;
        Record(nameof(IKernels.PutGuided), [guided, branchRow, prediction, weight], [prediction, weight],
            k => k.PutGuided(guided.View, branchRow.View, used, prediction.View, weight.View), 4.0 * guided.Count);
        RefuseGradient(nameof(FrequencyGuidance), [guided, prediction, weight], prediction);

        Tensor Levels(Tensor c, Tensor u, int level)
        {
            if (level == options.Bands.Count - 1) return GuidedBand(options, level, c, u);
            Tensor Halved(Tensor x) => Resize(x, ResampleTable.BlurredHalf(x.Shape[1]), ResampleTable.BlurredHalf(x.Shape[2]));
            Tensor Doubled(Tensor x) => Resize(x, ResampleTable.BlurredDouble(x.Shape[1]), ResampleTable.BlurredDouble(x.Shape[2]));
            Tensor smallC = Halved(c), smallU = Halved(u);
            var fine = GuidedBand(options, level, Difference(c, Doubled(smallC)), Difference(u, Doubled(smallU)));
            return Add(Doubled(Levels(smallC, smallU, level + 1)), fine);
        }
    }

    private Tensor GuidedBand(FrequencyGuidanceOptions options, int level, Tensor c, Tensor u)
    {
        var band = options.Bands[level];
        var on = options.On?[level];
        double w = options.Original ? band.Scale : band.Scale - 1, rescale = options.RescaleBands ? band.Rescale : 0;
        if (w == 0) return c;
        if (band.Parallel == 1 && rescale == 0)
        {
            Slot<float> ofConditional = new((float)(1 + w)), ofBranch = new((float)-w);
            if (on is not null) RecordVarying("ChooseBand", [], [], _ => (ofConditional.Value, ofBranch.Value) = on.Value ? ((float)(1 + w), (float)-w) : (1, 0));
            return Add(Scale(c, ofConditional), Scale(u, ofBranch));
        }
        var (m, strength) = PairWeights(c, u, w, new()
        {
            Kind = band.Parallel == 1 ? GuidanceWeightsKind.Plain : GuidanceWeightsKind.ProjectedApg,
            Original = options.Original, Eta = (float)band.Parallel, Rescale = (float)rescale, GuidedChannels = options.GuidedChannels,
        }, on);
        return Add(ScaleRows(c, m), ScaleRows(Difference(c, u), strength));
    }

    /// <summary>Corrected weights m and w of pairs m c + w (c - u), w the same for all before; [N] both.</summary>
    private (Tensor M, Tensor W) PairWeights(Tensor c, Tensor u, double w, GuidanceWeightsOptions options, Slot<bool>? on = null)
    {
        int samples = c.Shape.Batch;
        float[] rows = [.. Enumerable.Range(samples, samples).Select(BitConverter.Int32BitsToSingle)];
        float[] plain = [.. Enumerable.Range(0, 2 * samples).Select(i => i % 2 == 0 ? 1 : (float)w)];
        if (on is not null)
            RecordVarying("ChooseBand", [], [], _ =>
            {
                for (int i = 1; i < plain.Length; i += 2) plain[i] = on.Value ? (float)w : 0;
            });
        var weight = Reshape(Constant("pairWeights", plain), new Shape(samples, 2));
        GuidanceWeights(new Slot<GuidanceWeightsOptions>(options), ConcatRows(c, u), Reshape(Constant("pairRows", rows), new Shape(samples, 1)), c.Shape.Channels, weight);
        Tensor Column(int i) => Reshape(Slice(weight, i, 1), new Shape(samples));
        return (Column(0), Column(1));
    }

    private Tensor Difference(Tensor a, Tensor b) => Add(a, Scale(b, -1));
}
