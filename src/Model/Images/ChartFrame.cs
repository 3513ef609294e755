using System.Globalization;
using System.Security;
using System.Text;

namespace NativeDiffusion.Model.Images;

/// <summary>What the SVG charts have in common: a page with a heading that reads on light and dark pages, and two axes.</summary>
/// <param name="top">Where the plot begins, below heading and names.</param>
internal sealed class ChartFrame(double top)
{
    public const double Width = 800, Height = 420, Left = 76, Right = 20, Bottom = 50;

    private readonly StringBuilder _svg = new();

    /// <summary>Where to draw.</summary>
    public StringBuilder Svg => _svg;

    /// <summary>Begins the page.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="light">Styles of the lines.</param>
    /// <param name="dark">Those on dark pages.</param>
    public void Begin(string title, string light, string dark)
    {
        _svg.Append(Invariant($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\""));
        _svg.Append(" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n");
        _svg.Append("<style>\n.page { fill: #ffffff } .text { fill: #333333 } .grid { stroke: #e2e2e2 } .axis { stroke: #777777 }\n").Append(light);
        _svg.Append("\n@media (prefers-color-scheme: dark) {\n.page { fill: #16181c } .text { fill: #d5d7da } .grid { stroke: #31343a } .axis { stroke: #888b90 }\n").Append(dark);
        _svg.Append("\n}\n</style>\n");
        _svg.Append(Invariant($"<rect class=\"page\" width=\"{Width}\" height=\"{Height}\"/>\n"));
        _svg.Append(Invariant($"<text class=\"text\" x=\"{Left}\" y=\"28\" font-size=\"16\" font-weight=\"600\">{SecurityElement.Escape(title)}</text>\n"));
    }

    /// <summary>Ends the page.</summary>
    public string End() => _svg.Append("</svg>\n").ToString();

    /// <summary>Draws grid, ticks and names.</summary>
    public void DrawAxes(ChartAxis across, ChartAxis up, string xName, string yName)
    {
        foreach (double tick in up.Ticks)
        {
            _svg.Append(Invariant($"<path class=\"grid\" d=\"M{Left} {up.At(tick):0.0}H{Width - Right}\"/>"));
            Write(Left - 8, up.At(tick) + 4.5, "end", ChartAxis.Label(tick));
        }
        foreach (double tick in across.Ticks)
        {
            _svg.Append(Invariant($"<path class=\"axis\" d=\"M{across.At(tick):0.0} {Height - Bottom}v5\"/>"));
            Write(across.At(tick), Height - Bottom + 20, "middle", ChartAxis.Label(tick));
        }
        _svg.Append(Invariant($"<path class=\"axis\" fill=\"none\" d=\"M{Left} {top}V{Height - Bottom}H{Width - Right}\"/>\n"));
        Write((Left + Width - Right) / 2, Height - 10, "middle", xName);
        double middle = (top + Height - Bottom) / 2;
        _svg.Append(Invariant($"<text class=\"text\" transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{SecurityElement.Escape(yName)}</text>\n"));
    }

    /// <summary>Writes a text at a place.</summary>
    public void Write(double x, double y, string anchor, string text) =>
        _svg.Append(Invariant($"<text class=\"text\" x=\"{x:0.0}\" y=\"{y:0.0}\" text-anchor=\"{anchor}\">{SecurityElement.Escape(text)}</text>\n"));

    /// <summary>Numbers as SVG has them.</summary>
    public static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
