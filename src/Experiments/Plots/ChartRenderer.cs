using System.Text.RegularExpressions;
using NativeDiffusion.Pictures;
using ScottPlot;
using SkiaSharp;

namespace NativeDiffusion.Experiments.Plots;

/// <summary>Draws charts with ScottPlot.</summary>
internal static partial class ChartRenderer
{
    // Those that common systems have, before what ScottPlot would take.
    private static readonly string[] Preferred = ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial", "Helvetica"];

    private static readonly string? Font = FontOf(SKFontManager.Default.FontFamilies) ?? FontOfFile();

    /// <summary>Whether the machine has a font: without one, charts have no text.</summary>
    public static bool HasFonts => Font is not null;

    /// <summary>A chart as SVG.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    public static string ToSvg(Chart chart, int width = 760, int height = 440)
    {
        string svg = Draw(chart).GetSvgXml(width, height);
        // Skia ends lists of positions with a comma, which SVG does not allow, and counts names over all pictures of a process; and a reader may lack the font.
        svg = TrailingComma().Replace(svg, "\"");
        var names = new Dictionary<string, string>();
        svg = CountedName().Replace(svg, match => names.TryGetValue(match.Value, out string? name) ? name : names[match.Value] = $"cl_{names.Count}");
        return Font is null ? svg : svg.Replace($"font-family=\"{Font}\"", $"font-family=\"{Font}, sans-serif\"", StringComparison.Ordinal);
    }

    /// <summary>Writes a chart: SVG or PNG by the ending of the path.</summary>
    public static void Write(Chart chart, string path, int width = 760, int height = 440)
    {
        if (Path.GetExtension(path).Equals(".png", StringComparison.OrdinalIgnoreCase)) Draw(chart).SavePng(path, width, height);
        else File.WriteAllText(path, ToSvg(chart, width, height));
    }

    internal static string? FontOf(IEnumerable<string> families)
    {
        string[] known = [.. families.Where(family => family.Length > 0)];
        return Preferred.FirstOrDefault(known.Contains) ?? known.FirstOrDefault();
    }

    private static string? FontOfFile()
    {
        if (MachineFonts.FaceFor("Aa09±−√σ") is not var (face, path)) return null;
        using (face)
        {
            Fonts.AddFontFile(face.FamilyName, path);
            return face.FamilyName;
        }
    }

    private static Plot Draw(Chart chart)
    {
        var plot = new Plot();
        if (Font is not null) plot.Font.Set(Font);
        plot.Title(chart.Title, 15);
        plot.XLabel(chart.XLabel, 13);
        plot.YLabel(chart.YLabel, 13);
        foreach (var series in chart.Series)
        {
            ChartPoint[] points = [.. series.Points.Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y))];
            if (points.Length == 0) continue;
            double[] xs = [.. points.Select(p => p.X)], ys = [.. points.Select(p => p.Y)];
            var scatter = plot.Add.Scatter(xs, ys);
            scatter.LegendText = series.Name;
            scatter.MarkerSize = series.IsLine ? 5 : 8;
            scatter.LineWidth = series.IsLine ? 1.5f : 0;
            if (points.Any(p => p.Error > 0))
            {
                var bars = plot.Add.ErrorBar(xs, ys, [.. points.Select(p => p.Error > 0 ? p.Error : 0)]);
                bars.Color = scatter.Color;
            }
            foreach (var point in points.Where(p => p.Label is not null))
            {
                var text = plot.Add.Text(point.Label!, point.X, point.Y);
                (text.LabelFontSize, text.OffsetX, text.OffsetY, text.LabelFontColor) = (10, 6, -6, scatter.Color);
                if (Font is not null) text.LabelFontName = Font;
            }
        }
        // Labels stand to the right of their points.
        if (chart.Series.Any(s => s.Points.Any(p => p.Label is not null))) plot.Axes.Margins(left: 0.05, right: 0.3);
        if (chart.Series.Count > 1)
        {
            plot.ShowLegend(Edge.Bottom);
            if (Font is not null) plot.Legend.FontName = Font;
        }
        else plot.HideLegend();
        return plot;
    }

    [GeneratedRegex(", \"")]
    private static partial Regex TrailingComma();

    [GeneratedRegex("(?<=[\"#])[a-z]+_[0-9a-f]+(?=[\")])")]
    private static partial Regex CountedName();
}
