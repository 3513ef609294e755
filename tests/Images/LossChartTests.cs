using System.Globalization;
using System.Xml.Linq;
using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class LossChartTests
{
    [Test]
    public void StaysSmallAndWellFormed()
    {
        List<(long, double)> points = [];
        for (int i = 0; i < 200_000; i++)
            points.Add((i, 0.02 + 1.0 / (1 + i / 100.0) + 0.01 * Math.Sin(i)));
        string svg = LossChart.Draw(points, "a < b & \"c\"");
        Assert.That(svg, Has.Length.LessThan(60_000));
        XElement root = XElement.Parse(svg);
        Assert.That(root.Descendants().First(element => element.Name.LocalName == "text").Value, Is.EqualTo("a < b & \"c\""));
        Assert.That(CurvePoints(svg), Has.Count.EqualTo(1000));
    }

    [Test]
    public void CurveFallsWithTheLossInsideTheFrame([Values(1.5, 100.0)] double first)
    {
        List<(double X, double Y)> curve = CurvePoints(LossChart.Draw(Enumerable.Range(0, 500).Select(i => ((long)i, first / (1 + i))).ToList(), "t"));
        for (int i = 1; i < curve.Count; i++)
        {
            Assert.That(curve[i].X, Is.GreaterThanOrEqualTo(curve[i - 1].X));
            Assert.That(curve[i].Y, Is.GreaterThanOrEqualTo(curve[i - 1].Y), "downwards is larger y");
        }

        Assert.That(curve, Has.All.Matches<(double X, double Y)>(p => p.X is >= 76 and <= 780 && p.Y is >= 46 and <= 370));
    }

    [Test]
    public void SurvivesOddInput()
    {
        List<(long, double)>[] cases =
        [
            [], [(5, 0.5)], [(5, 0.5), (6, 0.5)], [(1, double.NaN), (2, 1), (3, double.PositiveInfinity)], [(1, 0), (2, 0)],
            [(1, -3), (2, 8)], [(0, 1e-300), (1, 1e300)], [(0, double.MaxValue), (1, double.MinValue)], [(0, 1e-12), (long.MaxValue, 2e-12)],
        ];
        foreach (List<(long, double)> points in cases)
        {
            string svg = LossChart.Draw(points, "t");
            Assert.That(() => XElement.Parse(svg), Throws.Nothing);
            Assert.That(svg, Does.Not.Contain("NaN").And.Not.Contain("∞"));
        }
    }

    [Test]
    public void LabelsAreRoundNumbers()
    {
        Assert.That(ChartAxis.Linear(0, 1000, 0, 1, 8).Ticks, Is.EqualTo(new double[] { 0, 200, 400, 600, 800, 1000 }));
        Assert.That(ChartAxis.Logarithmic(0.03, 1.2, 0, 1).Ticks.Select(ChartAxis.Label), Is.EqualTo(new[] { "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2" }));
        Assert.That(new[] { 0, 0.05, 12_500, 3e6, 1e12, 1e-7 }.Select(ChartAxis.Label), Is.EqualTo(new[] { "0", "0.05", "12.5k", "3M", "1e12", "1e-7" }));
    }

    private static List<(double X, double Y)> CurvePoints(string svg)
    {
        string path = XElement.Parse(svg).Descendants().Single(element => (string?)element.Attribute("class") == "mean").Attribute("d")!.Value;
        return path.Split('M', 'L').Skip(1).Select(pair =>
        {
            string[] parts = pair.Split(' ');
            return (double.Parse(parts[0], CultureInfo.InvariantCulture), double.Parse(parts[1], CultureInfo.InvariantCulture));
        }).ToList();
    }
}
