using System.Globalization;
using System.Text;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>What <c>--clip-scores</c> asks for: the scores along a run, those of the same run without the sine, a table of both and a chart.</summary>
internal sealed class ClipScores
{
    private readonly string _path;
    private readonly GuidingSet _guiding;
    private readonly IReadOnlyList<SampleRequest> _requests;
    private readonly ClipScorePath _scores, _withoutSine;

    /// <summary>Scores of a run.</summary>
    /// <param name="path">The table, FILE.csv.</param>
    /// <param name="guiding">Guidance by a text.</param>
    /// <param name="requests">What is drawn.</param>
    /// <param name="decoder">The decoder of a model of latents.</param>
    /// <exception cref="IOException">The table cannot be written there.</exception>
    public ClipScores(string path, GuidingSet guiding, IReadOnlyList<SampleRequest> requests, LatentDecoder? decoder)
    {
        WritableFolder.RequireFor(path);
        if (ChartPath(path) == path) throw new UsageException($"--clip-scores writes a table and a chart beside it (.svg); name the table otherwise than '{path}', scores.csv for example.");
        (_path, _guiding, _requests) = (path, guiding, requests);
        (_scores, _withoutSine) = (new ClipScorePath(guiding.Clip!, requests, decoder), new ClipScorePath(guiding.Clip!, requests, decoder));
    }

    /// <summary>How often the images are drawn.</summary>
    public int Runs => _guiding.WithoutSine is null ? 1 : 2;

    /// <summary>Takes a step of the run into account.</summary>
    public void Observe(SamplerObservation observation) => _scores.Observe(observation);

    /// <summary>The run once more without the sine, from the same noise.</summary>
    public void Compare(DiffusionModel model, SamplerSettings settings, GuidedSamplerOptions options, Arena arena, IProgress<SamplingProgress> progress, CancellationToken cancellation)
    {
        if (_guiding.WithoutSine is not { } guidance) return;
        using var sampler = new GuidedSampler(model, settings, options with { Guidance = guidance, Observer = _withoutSine.Observe }, arena);
        int done = sampler.Evaluations(_requests.Count);
        sampler.Sample(_requests, (_, _) => { }, new ImmediateProgress<SamplingProgress>(p => progress.Report(p with { Evaluation = done + p.Evaluation })), cancellation);
    }

    /// <summary>Writes table and chart.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Write()
    {
        var (scores, others) = (_scores.Scores, _withoutSine.Scores);
        bool compares = others.Count > 0;
        var table = new StringBuilder("evaluation,step,sigma,score,standard_error").Append(compares ? ",score_without_sine,standard_error_without_sine\n" : "\n");
        for (int i = 0; i < scores.Count; i++)
        {
            var (moment, mean, error, _) = scores[i];
            table.Append(CultureInfo.InvariantCulture, $"{i},{moment.Step},{Conversions.LogSnrToSigmaEdm(moment.LogSnr):g6},{mean:0.000000},{error:0.000000}");
            if (compares) table.Append(CultureInfo.InvariantCulture, $",{others[i].Mean:0.000000},{others[i].StandardError:0.000000}");
            table.Append('\n');
        }
        AtomicFile.Write(_path, stream => stream.Write(Encoding.UTF8.GetBytes(table.ToString())));
        static ChartLine Line(string name, IReadOnlyList<ClipScore> line) => new(name, [.. line.Select((s, i) => ((double)i, s.Mean))]);
        LineChart.Write(
            ChartPath(_path), "CLIP score of the predicted images", "evaluation", "cosine", compares ? [Line("with the sine", scores), Line("without", others)] : [Line("score", scores)]);
    }

    private static string ChartPath(string path) => Path.ChangeExtension(path, ".svg");
}
