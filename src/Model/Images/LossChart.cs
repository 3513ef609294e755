using System.Globalization;
using System.Security;
using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Images;

/// <summary>Draws the loss of a training run as an SVG line chart that reads on light and dark pages.</summary>
public static class LossChart
{
    private const int MaxPoints = 1000;
    private const double Width = 800, Height = 420, Left = 76, Right = 20, Top = 46, Bottom = 50;

    private const string Style =
        """
        <style>
        .page { fill: #ffffff } .text { fill: #333333 } .grid { stroke: #e2e2e2 } .axis { stroke: #777777 }
        .raw { stroke: #2f6fb5 } .mean { stroke: #1d5fa8 }
        @media (prefers-color-scheme: dark) {
        .page { fill: #16181c } .text { fill: #d5d7da } .grid { stroke: #31343a } .axis { stroke: #888b90 }
        .raw { stroke: #6fb1f5 } .mean { stroke: #8cc4ff }
        }
        </style>

        """;

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
        StringBuilder svg = new();
        svg.Append(Invariant($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\""));
        svg.Append(" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n");
        svg.Append(Style);
        svg.Append(Invariant($"<rect class=\"page\" width=\"{Width}\" height=\"{Height}\"/>\n"));
        svg.Append(Invariant($"<text class=\"text\" x=\"{Left}\" y=\"28\" font-size=\"16\" font-weight=\"600\">{SecurityElement.Escape(title)}</text>\n"));
        if (shown.Count == 0)
            svg.Append(Text(Width / 2, Height / 2, "middle", "no losses yet"));
        else
            DrawCurves(svg, shown);
        return svg.Append("</svg>\n").ToString();
    }

    private static void DrawCurves(StringBuilder svg, List<(long Step, double Loss, double Average)> shown)
    {
        ChartAxis steps = ChartAxis.Linear(shown[0].Step, shown[^1].Step, Left, Width - Right, mostTicks: 8);
        double least = shown.Min(point => point.Loss), most = shown.Max(point => point.Loss);
        ChartAxis losses = least > 0 && most > 20 * least
            ? ChartAxis.Logarithmic(least, most, Height - Bottom, Top)
            : ChartAxis.Linear(least, most, Height - Bottom, Top, mostTicks: 6);

        foreach (double tick in losses.Ticks)
        {
            svg.Append(Invariant($"<path class=\"grid\" d=\"M{Left} {losses.At(tick):0.0}H{Width - Right}\"/>"));
            svg.Append(Text(Left - 8, losses.At(tick) + 4.5, "end", ChartAxis.Label(tick)));
        }

        foreach (double tick in steps.Ticks)
        {
            svg.Append(Invariant($"<path class=\"axis\" d=\"M{steps.At(tick):0.0} {Height - Bottom}v5\"/>"));
            svg.Append(Text(steps.At(tick), Height - Bottom + 20, "middle", ChartAxis.Label(tick)));
        }

        svg.Append(Invariant($"<path class=\"axis\" fill=\"none\" d=\"M{Left} {Top}V{Height - Bottom}H{Width - Right}\"/>\n"));
        svg.Append(Text((Left + Width - Right) / 2, Height - 10, "middle", "step"));
        double middle = (Top + Height - Bottom) / 2;
        svg.Append(Invariant($"<text class=\"text\" transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">loss</text>\n"));

        svg.Append("<path class=\"raw\" fill=\"none\" stroke-width=\"2.5\" stroke-linecap=\"round\" stroke-opacity=\"0.35\" d=\"");
        foreach ((long step, double loss, _) in shown)
            svg.Append(Invariant($"M{steps.At(step):0.0} {losses.At(loss):0.0}h0"));
        svg.Append("\"/>\n<path class=\"mean\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\"");
        for (int i = 0; i < shown.Count; i++)
            svg.Append(Invariant($"{(i == 0 ? 'M' : 'L')}{steps.At(shown[i].Step):0.0} {losses.At(shown[i].Average):0.0}"));
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

    private static string Text(double x, double y, string anchor, string text) =>
        Invariant($"<text class=\"text\" x=\"{x:0.0}\" y=\"{y:0.0}\" text-anchor=\"{anchor}\">{text}</text>\n");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
