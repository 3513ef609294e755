using System.Globalization;
using System.Security;
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
    private const double Width = 800, Height = 420, Left = 76, Right = 20, Top = 66, Bottom = 50;

    private const string Style =
        """
        <style>
        .page { fill: #ffffff } .text { fill: #333333 } .grid { stroke: #e2e2e2 } .axis { stroke: #777777 }
        .line0 { stroke: #1d5fa8 } .line1 { stroke: #c2571a } .line2 { stroke: #2c8a4b } .line3 { stroke: #8a3fa0 }
        @media (prefers-color-scheme: dark) {
        .page { fill: #16181c } .text { fill: #d5d7da } .grid { stroke: #31343a } .axis { stroke: #888b90 }
        .line0 { stroke: #8cc4ff } .line1 { stroke: #ffab70 } .line2 { stroke: #7fdc9c } .line3 { stroke: #d9a3ec }
        }
        </style>

        """;

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
        StringBuilder svg = new();
        svg.Append(Invariant($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\""));
        svg.Append(" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n").Append(Style);
        svg.Append(Invariant($"<rect class=\"page\" width=\"{Width}\" height=\"{Height}\"/>\n"));
        svg.Append(Invariant($"<text class=\"text\" x=\"{Left}\" y=\"28\" font-size=\"16\" font-weight=\"600\">{SecurityElement.Escape(title)}</text>\n"));
        (double X, double Y)[] shown = [.. lines.SelectMany(line => line.Points).Where(IsShown)];
        if (shown.Length == 0) return svg.Append(Text(Width / 2, Height / 2, "middle", "no values")).Append("</svg>\n").ToString();
        ChartAxis across = ChartAxis.Linear(shown.Min(p => p.X), shown.Max(p => p.X), Left, Width - Right, mostTicks: 8);
        ChartAxis up = ChartAxis.Linear(shown.Min(p => p.Y), shown.Max(p => p.Y), Height - Bottom, Top, mostTicks: 6);
        DrawAxes(svg, across, up, xName, yName);
        for (int i = 0; i < lines.Count; i++) DrawLine(svg, lines[i], i, across, up);
        return svg.Append("</svg>\n").ToString();
    }

    private static void DrawAxes(StringBuilder svg, ChartAxis across, ChartAxis up, string xName, string yName)
    {
        foreach (double tick in up.Ticks)
        {
            svg.Append(Invariant($"<path class=\"grid\" d=\"M{Left} {up.At(tick):0.0}H{Width - Right}\"/>"));
            svg.Append(Text(Left - 8, up.At(tick) + 4.5, "end", ChartAxis.Label(tick)));
        }
        foreach (double tick in across.Ticks)
        {
            svg.Append(Invariant($"<path class=\"axis\" d=\"M{across.At(tick):0.0} {Height - Bottom}v5\"/>"));
            svg.Append(Text(across.At(tick), Height - Bottom + 20, "middle", ChartAxis.Label(tick)));
        }
        svg.Append(Invariant($"<path class=\"axis\" fill=\"none\" d=\"M{Left} {Top}V{Height - Bottom}H{Width - Right}\"/>\n"));
        svg.Append(Text((Left + Width - Right) / 2, Height - 10, "middle", xName));
        double middle = (Top + Height - Bottom) / 2;
        svg.Append(Invariant($"<text class=\"text\" transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{SecurityElement.Escape(yName)}</text>\n"));
    }

    private static void DrawLine(StringBuilder svg, ChartLine line, int number, ChartAxis across, ChartAxis up)
    {
        double start = Left + number * (Width - Left - Right) / MostLines;
        svg.Append(Invariant($"<path class=\"line{number}\" stroke-width=\"3\" d=\"M{start} 46h22\"/>")).Append(Text(start + 28, 50.5, "start", line.Name));
        svg.Append(Invariant($"<path class=\"line{number}\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\""));
        bool isBegun = false;
        foreach (var point in line.Points)
        {
            if (IsShown(point)) svg.Append(Invariant($"{(isBegun ? 'L' : 'M')}{across.At(point.X):0.0} {up.At(point.Y):0.0}"));
            isBegun = IsShown(point);
        }
        svg.Append("\"/>\n");
    }

    private static bool IsShown((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y);

    private static string Text(double x, double y, string anchor, string text) =>
        Invariant($"<text class=\"text\" x=\"{x:0.0}\" y=\"{y:0.0}\" text-anchor=\"{anchor}\">{SecurityElement.Escape(text)}</text>\n");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
