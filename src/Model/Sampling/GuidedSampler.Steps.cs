using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Sampling;

/// <content>One step: it knows at which points guidance acts, and no guider.</content>
public sealed partial class GuidedSampler
{
    // Noise of a repeated step, and of the way back, has counters of its own.
    private const int RepeatedDraw = 1 << 20, ReturnDraw = 1 << 30;

    private int GuidedChannels => Options.GuidedChannels ?? _model.Settings.GuidedChannels ?? 0;

    /// <summary>One row, as often as it is taken.</summary>
    internal void Advance(ReadOnlySpan<SampleRequest> batch, int rowIndex)
    {
        var row = _table.Rows[rowIndex];
        var moment = MomentOf(row);
        if (rowIndex == 0 || _table.Rows[rowIndex - 1].StepIndex != row.StepIndex) MoveStart(batch, row, moment);
        int recurrences = RecurrencesOf(row);
        for (int repeat = 0; repeat < recurrences; repeat++)
        {
            var kernelRow = row.ToKernelRow();
            kernelRow = kernelRow with { StepIndex = kernelRow.StepIndex + repeat * RepeatedDraw, GuidedChannels = GuidedChannels, ClipAfterShift = _clipsAfterShift };
            UploadNoise(batch.Length);
            if (row.Evaluates) Evaluate(batch, row, moment, kernelRow);
            else Run(PlanPart.Move, batch.Length, kernelRow);
            if (!row.Evaluates) break;
            if (repeat < recurrences - 1) Return(batch.Length, rowIndex, repeat);
        }
        if (_isPreparing) return;
        Options.AfterEvaluation?.Invoke(rowIndex, _buffers.State);
        if (row.Evaluates)
            Options.Observer?.Invoke(new SamplerObservation(rowIndex, moment, _first, _buffers.State.Rows(0, batch.Length), _buffers.Denoised.Rows(0, batch.Length)));
    }

    /// <summary>Records the plans that a row needs, by going through it without running any.</summary>
    private void PreparePlans(ReadOnlySpan<SampleRequest> batch, int rowIndex)
    {
        _isPreparing = true;
        try
        {
            Advance(batch, rowIndex);
        }
        finally
        {
            _isPreparing = false;
        }
    }

    private void Evaluate(ReadOnlySpan<SampleRequest> batch, SamplerRow row, GuidanceMoment moment, GuidedStepRow kernelRow)
    {
        int images = batch.Length;
        _inputScale.Value = (float)row.InputScale;
        var layout = _buffers.SetRow(batch, row, moment, Options.Seed);
        if (_inOnePlan)
        {
            _row.Value = kernelRow;
            Run(PlanFor(PlanPart.Whole, images, layout.Main, layout.FirstPerturbed));
            return;
        }
        bool shifted = Predict(batch, row, moment, layout);
        for (int k = 0; k < _buffers.WeakRows.Length; k++)
            if (_buffers.WeakRows[k] > 0) Run(PlanFor(PlanPart.Weak, images, _buffers.WeakRows[k], k));
        _moment.Value = moment;
        if (_guidance.Combination is not null) Run(PlanFor(PlanPart.Combination, images));
        if (_guidance.Threshold is not null)
        {
            Run(PlanFor(PlanPart.Denoised, images), CleanOnly(kernelRow) with { Clip = false });
            Run(PlanFor(PlanPart.Limit, images));
        }
        if (_readsVariance && !_isPreparing) _mostVariance = Math.Max(_mostVariance, FirstVariance(row));
        var mean = shifted ? _meanThroughDenoiser : null;
        bool knowsDenoised = false;
        for (int i = 0; i < _guidance.Gradients.Count; i++)
        {
            var guider = _guidance.Gradients[i];
            if (guider.Point is not (GradientPoint.State or GradientPoint.Denoised) || !_buffers.SetGradient(batch, guider, FactorOf(guider, row, moment))) continue;
            if (guider.Point == GradientPoint.Denoised && !knowsDenoised)
            {
                Run(PlanFor(PlanPart.Denoised, images, detail: _guidance.Threshold is null ? 0 : Limited), CleanOnly(kernelRow) with { ClipAfterShift = false });
                knowsDenoised = true;
            }
            _noisyScale.Value = (float)row.NoisyScale;
            Run(PlanFor(shifted ? PlanPart.AddedGradient : PlanPart.Gradient, images, detail: i));
            shifted = true;
            if (guider.Target == GradientTarget.Mean) mean = guider;
        }
        shifted |= MoveDenoised(batch, moment, kernelRow, shifted);
        if (!shifted)
        {
            Run(PlanPart.Step, images, kernelRow);
            return;
        }
        Run(PlanPart.ShiftedStep, images, mean is null
            ? kernelRow with { XFromShift = 1 }
            : kernelRow with { YFromVariance = 1, YFromShift = (float)mean.VarianceAddend(row, _table, _mostVariance) });
    }

    /// <summary>The prediction of the model's own network; true if a gradient through it moved the shift.</summary>
    private bool Predict(ReadOnlySpan<SampleRequest> batch, SamplerRow row, GuidanceMoment moment, RowLayout layout)
    {
        int images = batch.Length;
        for (int i = 0; i < _guidance.Gradients.Count; i++)
        {
            var guider = _guidance.Gradients[i];
            if (guider.Point != GradientPoint.ThroughDenoiser || !_buffers.SetGradient(batch, guider, FactorOf(guider, row, moment))) continue;
            (_xFromZ.Value, _xFromG.Value) = ((float)row.XFromZ, (float)row.XFromG);
            Run(PlanFor(PlanPart.PredictionAndGradient, images, layout.Main, layout.FirstPerturbed));
            return true;
        }
        Run(PlanFor(PlanPart.Prediction, images, layout.Main, layout.FirstPerturbed));
        return false;
    }

    /// <summary>
    /// Steps of Adam on the clean sample, after what moved it so far; true if the shift has what they changed. Between them it is clamped if the sampler clips.
    /// </summary>
    private bool MoveDenoised(ReadOnlySpan<SampleRequest> batch, GuidanceMoment moment, GuidedStepRow row, bool shifted)
    {
        int images = batch.Length, options = (row.Clip ? Clipped : 0) + (_guidance.Threshold is null ? 0 : Limited);
        bool moved = false;
        for (int i = 0; i < _guidance.Gradients.Count; i++)
        {
            var guider = _guidance.Gradients[i];
            if (guider.Backward is not { } backward || !_buffers.SetMoved(batch, guider, guider.When.At(moment))) continue;
            Run(PlanFor(PlanPart.Denoised, images, detail: (options & Limited) + (shifted ? Shifted : 0)), CleanOnly(row) with { XFromShift = shifted ? 1 : 0, Clip = row.Clip && !row.ClipAfterShift });
            Run(PlanFor(PlanPart.BackwardStart, images));
            for (int step = 1; step <= backward.Steps; step++)
            {
                _adam.Value = new AdamWStep { Step = step, LearningRate = backward.LearningRate };
                Run(PlanFor(PlanPart.BackwardStep, images, i, options & Clipped));
            }
            Run(PlanFor(PlanPart.BackwardEnd, images, detail: shifted ? Shifted : 0));
            shifted = moved = true;
        }
        return moved;
    }

    /// <summary>The variance of a step at the first value of the first image.</summary>
    private double FirstVariance(SamplerRow row)
    {
        if (!row.LearnedVariance) return row.C * row.C;
        _model.Kernels.Download(_buffers.FirstVariance, _firstVariance);
        double f = (_firstVariance[0] + 1) / 2;
        return Math.Exp(f * row.LogVarMax + (1 - f) * row.LogVarMin);
    }

    /// <summary>Gradients that move the state with which a step begins.</summary>
    private void MoveStart(ReadOnlySpan<SampleRequest> batch, SamplerRow row, GuidanceMoment moment)
    {
        bool shifted = false;
        for (int i = 0; i < _guidance.Gradients.Count; i++)
        {
            var guider = _guidance.Gradients[i];
            if (guider.Point != GradientPoint.StepStart || !_buffers.SetGradient(batch, guider, FactorOf(guider, row, moment))) continue;
            _noisyScale.Value = (float)row.NoisyScale;
            Run(PlanFor(shifted ? PlanPart.AddedGradient : PlanPart.Gradient, batch.Length, detail: i));
            shifted = true;
        }
        if (shifted) Run(PlanPart.ShiftedMove, batch.Length, new GuidedStepRow { StepIndex = row.StepIndex, A = 1, YFromShift = 1 });
    }

    /// <summary>Back to the level of a row that was taken: by as much noise as lies between it and the next.</summary>
    private void Return(int images, int rowIndex, int repeat)
    {
        var row = _table.Rows[rowIndex];
        (double alpha, double sigma) = rowIndex + 1 < _table.Rows.Count ? (_table.Rows[rowIndex + 1].Alpha, _table.Rows[rowIndex + 1].Sigma) : (1, 0);
        double keep = row.Alpha / alpha;
        UploadNoise(images);
        Run(PlanPart.Move, images, new GuidedStepRow
        {
            StepIndex = row.StepIndex + repeat * RepeatedDraw + ReturnDraw,
            A = (float)keep,
            C = (float)Math.Sqrt(Math.Max(0, row.Sigma * row.Sigma - keep * keep * sigma * sigma)),
        });
    }

    private void Run(PlanPart part, int images, GuidedStepRow row) => Run(PlanFor(part, images), row);

    private void Run(Plan plan, GuidedStepRow row)
    {
        _row.Value = row;
        Run(plan);
    }

    private void Run(Plan plan)
    {
        if (!_isPreparing) plan.Run(_cancellation);
    }

    private void UploadNoise(int images)
    {
        if (!_isPreparing && Options.Noise is { } noise) _model.Kernels.Upload(noise(_draw++), _buffers.Noise);
    }

    private GuidanceMoment MomentOf(SamplerRow row) => new(row.StepIndex, _table.Steps, row.LogSnr);

    /// <summary>What a guider's gradient is multiplied by beside its own weight, so that the step adds it to the clean sample (or to mean or state) as it is.</summary>
    private static double FactorOf(GradientGuider guider, SamplerRow row, GuidanceMoment moment)
    {
        double factor = guider.When.At(moment);
        if (factor == 0) return 0;
        // Where a state is pure noise it says nothing about a class.
        double alpha = row.Alpha == 0 ? double.PositiveInfinity : row.Alpha;
        return factor * guider.Target switch
        {
            GradientTarget.Score => row.Sigma * row.Sigma / alpha * (guider.Point == GradientPoint.State ? row.NoisyScale : 1),
            GradientTarget.Noise => guider.Norm == GradientNorm.BranchDifference ? Math.Abs(row.XFromG) : row.Sigma / alpha,
            _ => 1,
        };
    }

    /// <summary>A row that leaves the state as it is and gives the clean sample.</summary>
    private static GuidedStepRow CleanOnly(GuidedStepRow row) => new()
    {
        GuidedChannels = row.GuidedChannels, XFromZ = row.XFromZ, XFromG = row.XFromG, A = 1,
        Clip = row.Clip, ClipAfterShift = row.ClipAfterShift, ClipLow = row.ClipLow, ClipHigh = row.ClipHigh,
    };
}
