using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Images;

/// <summary>A line of a chart.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Points">Places and values, from left to right; values that are not finite break the line.</param>
internal sealed record ChartLine(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Draws a few lines over one axis as an SVG chart that reads on light and dark pages.</summary>
internal static class LineChart
{
    private const double Top = 66;
    private const string Light = ".line0 { stroke: #1d5fa8 } .line1 { stroke: #c2571a } .line2 { stroke: #2c8a4b } .line3 { stroke: #8a3fa0 }";
    private const string Dark = ".line0 { stroke: #8cc4ff } .line1 { stroke: #ffab70 } .line2 { stroke: #7fdc9c } .line3 { stroke: #d9a3ec }";

    /// <summary>Most lines that have a colour of their own.</summary>
    public const int MostLines = 4;

    /// <summary>Writes the chart; the file replaces <paramref name="path"/> only when it is complete.</summary>
    /// <param name="path">File to write.</param>
    /// <param name="title">Heading.</param>
    /// <param name="xName">What lies on the horizontal axis.</param>
    /// <param name="yName">What lies on the vertical axis.</param>
    /// <param name="lines">1 to <see cref="MostLines"/> lines.</param>
    /// <exception cref="ArgumentException">There is no line, or there are too many.</exception>
    /// <exception cref="IOException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, string title, string xName, string yName, IReadOnlyList<ChartLine> lines)
    {
        byte[] svg = Encoding.UTF8.GetBytes(Draw(title, xName, yName, lines));
        AtomicFile.Write(path, stream => stream.Write(svg));
    }

    public static string Draw(string title, string xName, string yName, IReadOnlyList<ChartLine> lines)
    {
        if (lines.Count is < 1 or > MostLines) throw new ArgumentException($"A chart has 1 to {MostLines} lines; got {lines.Count}.");
        var frame = new ChartFrame(Top);
        frame.Begin(title, Light, Dark);
        (double X, double Y)[] shown = [.. lines.SelectMany(line => line.Points).Where(IsShown)];
        if (shown.Length == 0)
        {
            frame.Write(ChartFrame.Width / 2, ChartFrame.Height / 2, "middle", "no values");
            return frame.End();
        }
        var across = ChartAxis.Linear(shown.Min(p => p.X), shown.Max(p => p.X), ChartFrame.Left, ChartFrame.Width - ChartFrame.Right, mostTicks: 8);
        var up = ChartAxis.Linear(shown.Min(p => p.Y), shown.Max(p => p.Y), ChartFrame.Height - ChartFrame.Bottom, Top, mostTicks: 6);
        frame.DrawAxes(across, up, xName, yName);
        for (int i = 0; i < lines.Count; i++) DrawLine(frame, lines[i], i, across, up);
        return frame.End();
    }

    private static void DrawLine(ChartFrame frame, ChartLine line, int number, ChartAxis across, ChartAxis up)
    {
        var svg = frame.Svg;
        double start = ChartFrame.Left + number * (ChartFrame.Width - ChartFrame.Left - ChartFrame.Right) / MostLines;
        svg.Append(ChartFrame.Invariant($"<path class=\"line{number}\" stroke-width=\"3\" d=\"M{start} 46h22\"/>"));
        frame.Write(start + 28, 50.5, "start", line.Name);
        svg.Append(ChartFrame.Invariant($"<path class=\"line{number}\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\""));
        bool isBegun = false;
        foreach (var point in line.Points)
        {
            if (IsShown(point)) svg.Append(ChartFrame.Invariant($"{(isBegun ? 'L' : 'M')}{across.At(point.X):0.0} {up.At(point.Y):0.0}"));
            isBegun = IsShown(point);
        }
        svg.Append("\"/>\n");
    }

    private static bool IsShown((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y);
}
