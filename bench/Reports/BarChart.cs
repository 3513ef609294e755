using System.Globalization;
using System.Text;

namespace NativeDiffusion.Bench.Reports;

/// <summary>Groups of horizontal bars as an SVG picture that reads on light and dark pages.</summary>
internal static class BarChart
{
    private const int Left = 110, Width = 720, BarHeight = 12, GroupGap = 10, Top = 62;
    private static readonly string[] Colours = ["#9aa5b1", "#4c9be8", "#e4572e"];

    /// <summary>Draws a chart.</summary>
    /// <param name="title">Above it.</param>
    /// <param name="groups">A label for each group of bars.</param>
    /// <param name="series">A name for each bar of a group, at most three.</param>
    /// <param name="values">By group and series.</param>
    public static string Svg(string title, string[] groups, string[] series, double[][] values)
    {
        int groupHeight = series.Length * BarHeight + GroupGap, height = Top + groups.Length * groupHeight + 8;
        double scale = (Width - Left - 60) / values.Max(g => g.Max());
        var svg = new StringBuilder();
        svg.AppendLine($"""<svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{height}" font-family="sans-serif" font-size="11">""");
        svg.AppendLine($"""<rect width="{Width}" height="{height}" fill="#ffffff"/>""");
        svg.AppendLine($"""<text x="10" y="20" font-size="14" font-weight="bold" fill="#222222">{title}</text>""");
        for (int s = 0; s < series.Length; s++)
        {
            svg.AppendLine($"""<rect x="{10 + 200 * s}" y="34" width="12" height="12" fill="{Colours[s]}"/>""");
            svg.AppendLine($"""<text x="{27 + 200 * s}" y="44" fill="#222222">{series[s]}</text>""");
        }
        for (int g = 0; g < groups.Length; g++)
        {
            int y = Top + g * groupHeight;
            svg.AppendLine($"""<text x="{Left - 8}" y="{y + series.Length * BarHeight / 2 + 4}" text-anchor="end" fill="#222222">{groups[g]}</text>""");
            for (int s = 0; s < series.Length; s++)
            {
                double length = values[g][s] * scale;
                int top = y + s * BarHeight;
                svg.AppendLine($"""<rect x="{Left}" y="{top}" width="{Number(length, "0.0")}" height="{BarHeight - 1}" fill="{Colours[s]}"/>""");
                svg.AppendLine($"""<text x="{Number(Left + length + 4, "0.0")}" y="{top + BarHeight - 3}" fill="#222222">{Number(values[g][s], "0.00")}</text>""");
            }
        }
        return svg.Append("</svg>").ToString();
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
