using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Images;

/// <summary>Draws the loss of a training run as an SVG line chart that reads on light and dark pages.</summary>
public static class LossChart
{
    private const int MaxPoints = 1000;
    private const double Top = 46;
    private const string Light = ".raw { stroke: #2f6fb5 } .mean { stroke: #1d5fa8 }", Dark = ".raw { stroke: #6fb1f5 } .mean { stroke: #8cc4ff }";

    /// <summary>
    /// Writes the chart: faint dots for the losses, a line for their moving average. Runs of more than 1000 points are thinned
    /// evenly, the average still taking in every point. The loss axis is logarithmic when the losses span more than a factor of 20.
    /// Values that are not finite are left out. The file replaces <paramref name="path"/> only when it is complete.
    /// </summary>
    /// <param name="path">File to write.</param>
    /// <param name="points">Losses by ascending step; may be empty.</param>
    /// <param name="title">Heading.</param>
    /// <exception cref="IOException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, IReadOnlyList<(long Step, double Loss)> points, string title)
    {
        byte[] svg = Encoding.UTF8.GetBytes(Draw(points, title));
        AtomicFile.Write(path, stream => stream.Write(svg));
    }

    internal static string Draw(IReadOnlyList<(long Step, double Loss)> points, string title)
    {
        List<(long Step, double Loss, double Average)> shown = Thin(Smooth(points));
        var frame = new ChartFrame(Top);
        frame.Begin(title, Light, Dark);
        if (shown.Count == 0) frame.Write(ChartFrame.Width / 2, ChartFrame.Height / 2, "middle", "no losses yet");
        else DrawCurves(frame, shown);
        return frame.End();
    }

    private static void DrawCurves(ChartFrame frame, List<(long Step, double Loss, double Average)> shown)
    {
        ChartAxis steps = ChartAxis.Linear(shown[0].Step, shown[^1].Step, ChartFrame.Left, ChartFrame.Width - ChartFrame.Right, mostTicks: 8);
        double least = shown.Min(point => point.Loss), most = shown.Max(point => point.Loss);
        ChartAxis losses = least > 0 && most > 20 * least
            ? ChartAxis.Logarithmic(least, most, ChartFrame.Height - ChartFrame.Bottom, Top)
            : ChartAxis.Linear(least, most, ChartFrame.Height - ChartFrame.Bottom, Top, mostTicks: 6);

        frame.DrawAxes(steps, losses, "step", "loss");

        var svg = frame.Svg;
        svg.Append("<path class=\"raw\" fill=\"none\" stroke-width=\"2.5\" stroke-linecap=\"round\" stroke-opacity=\"0.35\" d=\"");
        foreach ((long step, double loss, _) in shown)
            svg.Append(ChartFrame.Invariant($"M{steps.At(step):0.0} {losses.At(loss):0.0}h0"));
        svg.Append("\"/>\n<path class=\"mean\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\"");
        for (int i = 0; i < shown.Count; i++)
            svg.Append(ChartFrame.Invariant($"{(i == 0 ? 'M' : 'L')}{steps.At(shown[i].Step):0.0} {losses.At(shown[i].Average):0.0}"));
        svg.Append("\"/>\n");
    }

    /// <summary>Exponential moving average over about a fiftieth of the run, corrected for its start.</summary>
    private static List<(long Step, double Loss, double Average)> Smooth(IReadOnlyList<(long Step, double Loss)> points)
    {
        double keep = 1 - 2.0 / (Math.Max(1, points.Count / 50) + 1), sum = 0, weight = 0;
        List<(long, double, double)> smooth = [];
        foreach ((long step, double loss) in points)
        {
            if (!double.IsFinite(loss))
                continue;
            sum = keep * sum + (1 - keep) * loss;
            weight = keep * weight + (1 - keep);
            smooth.Add((step, loss, sum / weight));
        }

        return smooth;
    }

    private static List<(long Step, double Loss, double Average)> Thin(List<(long Step, double Loss, double Average)> points) =>
        points.Count <= MaxPoints
            ? points
            : Enumerable.Range(0, MaxPoints).Select(i => points[(int)((long)i * (points.Count - 1) / (MaxPoints - 1))]).ToList();
}
