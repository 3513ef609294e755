using System.Xml.Linq;
using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

internal sealed class LineChartTests
{
    [Test]
    public void Lines_have_their_points_names_and_colours()
    {
        XNamespace svg = "http://www.w3.org/2000/svg";
        var chart = XDocument.Parse(LineChart.Draw("A & B", "step", "score", [new("with", [(0, 1), (1, double.NaN), (2, 3), (3, 2)]), new("without", [(0, 0), (3, 1)])]));
        string[] texts = [.. chart.Descendants(svg + "text").Select(t => t.Value)];
        Assert.That(texts, Is.SupersetOf(new[] { "A & B", "step", "score", "with", "without" }));
        string[] lines = [.. chart.Descendants(svg + "path").Where(p => ((string)p.Attribute("class")!).StartsWith("line", StringComparison.Ordinal) && p.Attribute("fill") is not null).Select(p => (string)p.Attribute("d")!)];
        Assert.That(lines, Has.Length.EqualTo(2));
        Assert.That(lines[0].Count(c => c == 'M'), Is.EqualTo(2), "a value that is none breaks the line");
        Assert.That(lines[0].Count(c => c == 'L'), Is.EqualTo(1));
        Assert.That(lines[1], Does.StartWith("M76.0 370.0L780.0 "), "the least value lies at the foot, the last step at the right");
    }

    [Test]
    public void Charts_without_values_and_with_too_many_lines()
    {
        Assert.That(LineChart.Draw("t", "x", "y", [new("none", [])]), Does.Contain("no values"));
        Assert.That(() => LineChart.Draw("t", "x", "y", []), Throws.ArgumentException.With.Message.Contains("got 0"));
        Assert.That(() => LineChart.Draw("t", "x", "y", [.. Enumerable.Repeat(new ChartLine("a", []), 5)]), Throws.ArgumentException.With.Message.Contains("got 5"));
    }
}
