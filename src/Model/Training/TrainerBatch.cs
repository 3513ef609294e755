using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Training;

/// <content>What a step trains on: images, noise levels, weights of the rows, labels.</content>
public sealed partial class Trainer
{
    private void Prepare()
    {
        int batch = Settings.BatchSize;
        uint step = (uint)Step;
        _step.Value = step;
        _optimiser.Value = Settings.OptimiserAt(Step);
        _source.Fill(Step, batch, _pixels, _labels);
        _augmentation.Apply(step, _pixels);
        for (int b = 0; b < batch; b++)
        {
            var level = LevelOf(b, step);
            _timesteps[b] = (float)level.Timestep;
            _bound?.Set(b, level);
            if (Model.Settings.HasSigmas) SetPreconditioned(b, level);
            else
            {
                (_alpha[b], _sigma[b]) = ((float)level.Alpha, (float)level.Sigma);
                _rowWeight[b] = (float)(Weight(level) * _importance[b]);
            }
            if (Philox.Uniform(Settings.Seed, (uint)b, step, RandomStream.LabelDrop, 0) < Settings.NullProbability) _labels[b] = Model.NullLabel;
        }
        // The arena may have served a sampler since the last step, so every input is written again.
        var kernels = Model.Kernels;
        kernels.Upload(_pixels, _plan.Input("x"));
        kernels.Upload(_alpha, _plan.Input("alpha"));
        kernels.Upload(_sigma, _plan.Input("sigma"));
        if (Model.Settings.HasSigmas)
        {
            kernels.Upload(_targetAlpha, _plan.Input("target_alpha"));
            kernels.Upload(_targetSigma, _plan.Input("target_sigma"));
        }
        if (_bound is not null) kernels.Upload(_bound.Values, _plan.Input("variance_rows"));
        kernels.Upload(_timesteps, _plan.Input("timesteps"));
        kernels.Upload(_rowWeight, _plan.Input("row_weight"));
        if (_bound is not null && _lossAware is not null) kernels.Upload(_importance, _plan.Input("importance"));
        kernels.Upload(_rows, _plan.Input("sample_index"));
        if (Model.IsConditional) kernels.Upload(_labels, _plan.Input("labels"));
        kernels.Upload([1f], _plan.Input("d_loss"));
    }

    /// <summary>
    /// The loss of Karras et al. 2022 (arXiv 2206.00364, eq. 8) on the raw network F: D = cSkip xE + cOut F should be x, so F should be
    /// (x - cSkip xE) / cOut, whose published weight is 1 at every level.
    /// </summary>
    private void SetPreconditioned(int row, NoiseLevel level)
    {
        var c = Model.Settings.Parameterization.InEdmScale(level);
        (_alpha[row], _sigma[row]) = ((float)c.InputScale, (float)(c.InputScale * level.SigmaEdm));
        (_targetAlpha[row], _targetSigma[row]) = ((float)(c.EpsFromZ * level.SigmaEdm / c.XFromG), (float)(-c.XFromZ * level.SigmaEdm / c.XFromG));
        _rowWeight[row] = 1;
    }

    /// <summary>The noise level of a row, and where timesteps are chosen by their losses, how much it counts.</summary>
    private NoiseLevel LevelOf(int row, uint step)
    {
        _importance[row] = 1;
        if (_lossAware is null) return _levelAt((uint)row, step);
        (_drawn[row], double importance) = _lossAware.At(Philox.Uniform(Settings.Seed, (uint)row, step, RandomStream.Timestep, 0));
        _importance[row] = (float)importance;
        return _levels[_drawn[row]];
    }

    /// <summary>The weight of a level in the squared error of what the network predicts.</summary>
    private double Weight(NoiseLevel level) =>
        _weight.At(Math.Exp(level.LogSnr), Model.Settings.Prediction) * (Settings.Weighting == LossWeighting.LaterSteps ? 1 + level.Timestep / Math.Max(1, _levels[0].Timestep) : 1);

    /// <summary>Tells the sampler of timesteps what the rows of the last step lost.</summary>
    private void NoteRowLosses(LossSecondMomentSampler sampler)
    {
        var kernels = Model.Kernels;
        kernels.Download(_plan.Output("row_losses"), _rowLosses);
        for (int b = 0; b < _rowLosses.Length; b++) _losses[b] = Weight(_levels[_drawn[b]]) * _rowLosses[b];
        if (_bound is not null)
        {
            kernels.Download(_plan.Output("bound_row_losses"), _rowLosses);
            for (int b = 0; b < _rowLosses.Length; b++) _losses[b] += _rowLosses[b];
        }
        sampler.Note(_drawn, _losses);
    }
}
