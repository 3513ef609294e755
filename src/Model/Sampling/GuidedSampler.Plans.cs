using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Sampling;

/// <content>The plans of a sampler, each recorded when it is first needed.</content>
public sealed partial class GuidedSampler
{
    // Options of a plan, in its detail.
    private const int Limited = 1, Shifted = 2, Clipped = 4;

    private readonly Slot<AdamWStep> _adam = new();
    private readonly Slot<float> _noisyScale = new(1), _xFromZ = new(), _xFromG = new();
    private readonly Slot<GuidanceMoment> _moment = new();

    private enum PlanPart
    {
        /// <summary>Prediction and step.</summary>
        Whole,

        /// <summary>Prediction of the model's own network.</summary>
        Prediction,

        /// <summary>The same with the gradient of an objective on the clean prediction.</summary>
        PredictionAndGradient,

        /// <summary>Prediction of another model; the index is its branch.</summary>
        Weak,

        /// <summary>Combination of the predictions.</summary>
        Combination,

        /// <summary>The clean prediction alone; options limited (by the dynamic threshold) and shifted.</summary>
        Denoised,

        /// <summary>The limits of the dynamic threshold.</summary>
        Limit,

        /// <summary>A gradient; the index is its guider.</summary>
        Gradient,

        /// <summary>A gradient that is added to those before it.</summary>
        AddedGradient,

        /// <summary>Before steps on the clean sample.</summary>
        BackwardStart,

        /// <summary>A step on the clean sample; the number of rows is its guider, option clipped.</summary>
        BackwardStep,

        /// <summary>After such steps: what they changed becomes the shift; option shifted, by others before.</summary>
        BackwardEnd,

        /// <summary>The step.</summary>
        Step,

        /// <summary>The step after a shift.</summary>
        ShiftedStep,

        /// <summary>A step without prediction.</summary>
        Move,

        /// <summary>A step without prediction that adds the shift.</summary>
        ShiftedMove,
    }

    private readonly record struct PlanKey(PlanPart Part, int Images, int Rows = 0, int Detail = 0);

    internal Plan PlanFor(int images, int rows) => PlanFor(PlanPart.Whole, images, rows, rows);

    private Plan PlanFor(PlanPart part, int images, int rows = 0, int detail = 0)
    {
        var key = new PlanKey(part, images, rows, detail);
        if (_plans.TryGetValue(key, out var plan)) return plan;
        _cancellation.ThrowIfCancellationRequested();
        var b = new PlanBuilder(_model.Kernels, _model.Parameters) { Images = images };
        switch (part)
        {
            case PlanPart.Whole: RecordStep(b, images, RecordPrediction(b, images, rows, detail).Prediction, shifted: false, whole: true); break;
            case PlanPart.Prediction: Copy(b, RecordPrediction(b, images, rows, detail).Prediction, _buffers.Prediction.Rows(0, rows)); break;
            case PlanPart.PredictionAndGradient: RecordThroughDenoiser(b, images, rows, detail); break;
            case PlanPart.Weak: RecordWeak(b, images, rows, detail); break;
            case PlanPart.Combination: RecordCombination(b, images); break;
            case PlanPart.Denoised: RecordDenoised(b, images, detail); break;
            case PlanPart.BackwardStart: RecordBackwardStart(b, images); break;
            case PlanPart.BackwardStep: RecordBackwardStep(b, images, _guidance.Gradients[rows], detail); break;
            case PlanPart.BackwardEnd: RecordBackwardEnd(b, images, detail); break;
            case PlanPart.Limit: RecordLimit(b, images); break;
            case PlanPart.Gradient or PlanPart.AddedGradient: RecordGradient(b, images, _guidance.Gradients[detail], part == PlanPart.AddedGradient); break;
            case PlanPart.Step or PlanPart.ShiftedStep: RecordStep(b, images, Predictions(b), part == PlanPart.ShiftedStep, whole: false); break;
            default: RecordStep(b, images, null, part == PlanPart.ShiftedMove, whole: true); break;
        }
        plan = _plans[key] = b.Build(_arena);
        LogEvents.PlanRecorded(_model.Logger, part, images, plan.Steps.Count, plan.PeakBytes);
        return plan;
    }

    private (Tensor Z, Tensor Prediction) RecordPrediction(PlanBuilder b, int images, int rows, int firstPerturbed)
    {
        var z = b.Bind("z", _buffers.State.Rows(0, images));
        var input = b.Scale(z, _inputScale);
        if (rows > images) input = b.GatherRows(input, b.Bind("source_row", _buffers.SourceRow.Rows(0, rows)));
        var labels = !_model.IsConditional ? null : b.Bind("labels", _buffers.Labels.Rows(0, rows));
        var timesteps = b.Bind("timesteps", _buffers.Timesteps.Rows(0, rows));
        if (firstPerturbed == rows) return (z, _model.Network.Record(b, input, timesteps, labels));
        return (z, ((IPerturbableNetwork)_model.Network).Record(b, input, timesteps, labels, _perturbation! with { FirstRow = firstPerturbed }));
    }

    private void RecordWeak(PlanBuilder b, int images, int rows, int branch)
    {
        var model = _guidance.Branches[branch].Model!;
        int start = _buffers.WeakStart(branch), channels = _model.Network.Config.OutChannels;
        var input = b.GatherRows(b.Scale(b.Bind("z", _buffers.State.Rows(0, images)), _inputScale), b.Bind("source_row", _buffers.SourceRow.Rows(start, rows)));
        var labels = !model.IsConditional ? null : b.Bind("labels", _buffers.Labels.Rows(start, rows));
        var prediction = b.With(model.Parameters, () => model.Network.Record(b, input, b.Bind("timesteps", _buffers.Timesteps.Rows(start, rows)), labels));
        // Variance is always that of the conditional prediction, so what stands in its place here is not read.
        if (prediction.Shape.Channels > channels) prediction = b.Slice(prediction, 0, channels);
        else if (prediction.Shape.Channels < channels) prediction = b.Concat(prediction, prediction);
        Copy(b, prediction, _buffers.Prediction.Rows(start, rows));
    }

    private void RecordCombination(PlanBuilder b, int images)
    {
        int channels = _model.Network.Config.InChannels;
        _guidance.Combination!.Record(b, new CombinationInputs(
            Predictions(b), b.Bind("branch_row", _buffers.BranchRow.Rows(0, images)), b.Bind("weight", _buffers.Weight.Rows(0, images)),
            _buffers.Memory.IsEmpty ? null : b.Bind("memory", _buffers.Memory.Rows(0, images)), channels, GuidedChannels, _moment));
    }

    private void RecordDenoised(PlanBuilder b, int images, int options) => b.GuidedStep(
        _row, _seed, b.Bind("z", _buffers.State.Rows(0, images)), b.Bind("sample_index", _buffers.SampleIndex.Rows(0, images)), Predictions(b),
        b.Bind("weight", _buffers.Weight.Rows(0, images)), BranchRows(b, images), denoised: b.Bind("denoised", _buffers.Denoised.Rows(0, images)),
        limit: (options & Limited) != 0 ? b.Bind("limit", _buffers.Limit.Rows(0, images)) : null,
        shift: (options & Shifted) != 0 ? b.Bind("shift", _buffers.Shift.Rows(0, images)) : null);

    private void RecordLimit(PlanBuilder b, int images)
    {
        var threshold = _guidance.Threshold!;
        b.Quantile(b.Bind("denoised", _buffers.Denoised.Rows(0, images)), threshold.Quantile, threshold.Most, b.Bind("limit", _buffers.Limit.Rows(0, images)));
    }

    private void RecordGradient(PlanBuilder b, int images, GradientGuider guider, bool accumulate)
    {
        var state = b.Bind("z", _buffers.State.Rows(0, images));
        var image = guider.Point == GradientPoint.Denoised ? b.Bind("denoised", _buffers.Denoised.Rows(0, images))
            : guider.Norm == GradientNorm.State ? b.RmsLimit(state)
            : b.Scale(state, _noisyScale);
        var objective = guider.Record(b, Inputs(b, images, image));
        b.Backward(objective.Output, objective.Cotangent, parameters: false, image);
        RecordShift(b, images, guider, b.GradientOf(image), accumulate, guider.Norm == GradientNorm.State ? state : null);
    }

    private void RecordThroughDenoiser(PlanBuilder b, int images, int rows, int firstPerturbed)
    {
        var guider = _guidance.Gradients.Single(g => g.Point == GradientPoint.ThroughDenoiser);
        var (z, prediction) = RecordPrediction(b, images, rows, firstPerturbed);
        Copy(b, prediction, _buffers.Prediction.Rows(0, rows));
        var guided = RecordGuided(b, images, prediction, z.Shape.Channels, rows > images ? _guidance.Branches.Count : 0);
        var denoised = b.Add(b.Scale(z, _xFromZ), b.Scale(guided, _xFromG));
        var objective = guider.Record(b, Inputs(b, images, denoised));
        b.Backward(objective.Output, objective.Cotangent, parameters: false, z);
        RecordShift(b, images, guider, b.GradientOf(z), accumulate: false, null);
    }

    /// <summary>The guided prediction as the fused step sums it, of ops that have a gradient.</summary>
    private Tensor RecordGuided(PlanBuilder b, int images, Tensor prediction, int channels, int branches)
    {
        Tensor Predicted(Tensor rows) => rows.Shape.Channels > channels ? b.Slice(rows, 0, channels) : rows;
        Tensor conditional = Predicted(b.Rows(prediction, 0, images)), guided = conditional;
        for (int k = 0; k < branches; k++)
        {
            var branch = Predicted(b.GatherRows(prediction, b.Bind("branch_source", _buffers.BranchSource(k, images))));
            guided = b.Add(guided, b.ScaleRows(b.Add(conditional, b.Scale(branch, -1)), b.Bind("branch_weight", _buffers.BranchWeight(k, images))));
        }
        int first = GuidedChannels;
        return first == 0 || first == channels || branches == 0 ? guided : b.Concat(b.Slice(guided, 0, first), b.Slice(conditional, first, channels - first));
    }

    private void RecordBackwardStart(PlanBuilder b, int images)
    {
        Copy(b, b.Bind("denoised", _buffers.Denoised.Rows(0, images)), _buffers.BeforeBackward.Rows(0, images));
        foreach (var moment in new[] { _buffers.FirstMoment, _buffers.SecondMoment })
        {
            var zero = b.Bind("moment", moment.Rows(0, images));
            b.Record(nameof(IKernels.Fill), [], [zero], k => k.Fill(zero.View, 0f));
        }
    }

    private void RecordBackwardStep(PlanBuilder b, int images, GradientGuider guider, int options)
    {
        Tensor denoised = b.Bind("denoised", _buffers.Denoised.Rows(0, images)), image = (options & Clipped) != 0 ? b.Clamp(denoised, -1, 1) : denoised;
        var objective = guider.Record(b, Inputs(b, images, image));
        if (guider.Backward!.LossCutoff is not null && objective.Output.Shape.Batch != images)
            throw new ArgumentException($"Guider '{guider.Name}' ends by the loss of each sample, and its objective {objective.Output} has not one row for each of {images}.");
        b.Backward(objective.Output, objective.Cotangent, parameters: false, image);
        var moves = guider.Backward.LossCutoff is { } cutoff ? b.RowsAtMost(objective.Output, objective.Cotangent, -cutoff) : null;
        b.Adam(
            _adam, b.Scale(b.GradientOf(image), -1), image, b.Bind("first_moment", _buffers.FirstMoment.Rows(0, images)),
            b.Bind("second_moment", _buffers.SecondMoment.Rows(0, images)), moves);
        if (image != denoised) Copy(b, image, _buffers.Denoised.Rows(0, images));
    }

    private void RecordBackwardEnd(PlanBuilder b, int images, int options)
    {
        Tensor after = b.Bind("denoised", _buffers.Denoised.Rows(0, images)), before = b.Bind("before", _buffers.BeforeBackward.Rows(0, images));
        b.GuidanceShift(
            b.Add(after, b.Scale(before, -1)), null, b.Bind("gradient_weight", _buffers.GradientWeight.Rows(0, images)), b.Bind("shift", _buffers.Shift.Rows(0, images)),
            accumulate: (options & Shifted) != 0);
    }

    private void RecordShift(PlanBuilder b, int images, GradientGuider guider, Tensor gradient, bool accumulate, Tensor? reference)
    {
        if (guider.Norm == GradientNorm.BranchDifference)
        {
            int channels = gradient.Shape.Channels, guided = GuidedChannels;
            var predictions = Predictions(b);
            var branch = b.GatherRows(predictions, b.Bind("branch_source", _buffers.BranchSource(0, images)));
            var conditional = b.Bind("conditional", _buffers.Prediction.Rows(0, images));
            if (predictions.Shape.Channels > channels) (branch, conditional) = (b.Slice(branch, 0, channels), b.Slice(conditional, 0, channels));
            reference = b.Add(conditional, b.Scale(branch, -1));
            // It acts where the branch does.
            if (guided > 0 && guided < channels) (gradient, reference) = (Guided(b, gradient, guided), Guided(b, reference, guided));
        }
        b.GuidanceShift(gradient, reference, b.Bind("gradient_weight", _buffers.GradientWeight.Rows(0, images)), b.Bind("shift", _buffers.Shift.Rows(0, images)), accumulate);
    }

    /// <summary>The first channels, and zeros in place of the others.</summary>
    private static Tensor Guided(PlanBuilder b, Tensor x, int channels)
    {
        var rest = x.Shape.WithChannels(x.Shape.Channels - channels);
        return b.Concat(b.Slice(x, 0, channels), b.Reshape(b.Constant("unguided", new float[rest.Count]), rest));
    }

    private GradientInputs Inputs(PlanBuilder b, int images, Tensor image) =>
        new(image, b.Bind("targets", _buffers.Targets.Rows(0, images)), b.Bind("timesteps", _buffers.Timesteps.Rows(0, images)));

    private void RecordStep(PlanBuilder b, int images, Tensor? prediction, bool shifted, bool whole) => b.GuidedStep(
        _row, _seed, b.Bind("z", _buffers.State.Rows(0, images)), b.Bind("sample_index", _buffers.SampleIndex.Rows(0, images)), prediction,
        prediction is null ? null : b.Bind("weight", _buffers.Weight.Rows(0, images)), prediction is null ? null : BranchRows(b, images),
        b.Bind("history", _buffers.History.Rows(0, images)), b.Bind("stored_state", _buffers.StoredState.Rows(0, images)),
        _buffers.Noise.IsEmpty ? null : b.Bind("noise", _buffers.Noise.Rows(0, images)), whole ? null : b.Bind("denoised", _buffers.Denoised.Rows(0, images)),
        whole || _guidance.Threshold is null ? null : b.Bind("limit", _buffers.Limit.Rows(0, images)),
        shifted ? b.Bind("shift", _buffers.Shift.Rows(0, images)) : null,
        history2: _buffers.History2.IsEmpty ? null : b.Bind("history2", _buffers.History2.Rows(0, images)),
        history3: _buffers.History3.IsEmpty ? null : b.Bind("history3", _buffers.History3.Rows(0, images)));

    private Tensor Predictions(PlanBuilder b) => b.Bind("prediction", _buffers.Prediction);

    private Tensor? BranchRows(PlanBuilder b, int images) => _guidance.Branches.Count == 0 ? null : b.Bind("branch_row", _buffers.BranchRow.Rows(0, images));

    private static void Copy(PlanBuilder b, Tensor from, TensorView to)
    {
        var target = b.Bind("prediction", to);
        b.Record(nameof(IKernels.Copy), [from], [target], k => k.Copy(from.View, target.View));
    }
}
