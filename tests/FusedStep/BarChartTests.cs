using System.Globalization;
using System.Xml.Linq;
using NativeDiffusion.Bench.Reports;
using NUnit.Framework;

namespace NativeDiffusion.Tests.FusedStep;

/// <summary>The chart of the benchmarks.</summary>
internal sealed class BarChartTests
{
    [Test]
    public void BarsAreAsLongAsTheirValues()
    {
        XNamespace svg = "http://www.w3.org/2000/svg";
        var chart = XDocument.Parse(BarChart.Svg("Title", ["a", "b"], ["one", "two", "three"], [[1, 0.5, 0.25], [1, 2, 0.1]]));
        double[] lengths = [.. chart.Descendants(svg + "rect").Where(r => (string?)r.Attribute("height") == "11")
            .Select(r => double.Parse(r.Attribute("width")!.Value, CultureInfo.InvariantCulture))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(lengths.Select(l => l / lengths[0]), Is.EqualTo(new[] { 1, 0.5, 0.25, 1, 2, 0.1 }).Within(0.005));
            Assert.That(chart.Descendants(svg + "text").Select(t => t.Value), Is.SupersetOf(new[] { "Title", "a", "b", "one", "two", "three", "0.25" }));
            double width = double.Parse(chart.Root!.Attribute("width")!.Value, CultureInfo.InvariantCulture);
            Assert.That(lengths.Max(), Is.LessThan(width - 110));
        }
    }
}
