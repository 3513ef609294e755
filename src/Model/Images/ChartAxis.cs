using System.Globalization;

namespace NativeDiffusion.Model.Images;

/// <summary>Maps values to positions along one side of a chart and chooses round numbers to label.</summary>
internal sealed class ChartAxis
{
    private readonly double _low, _high, _start, _end;
    private readonly bool _logarithmic;

    private ChartAxis(double low, double high, double start, double end, bool logarithmic, double[] ticks)
    {
        (_low, _high, _start, _end, _logarithmic) = (low, high, start, end, logarithmic);
        Ticks = ticks;
    }

    internal IReadOnlyList<double> Ticks { get; }

    /// <summary>An axis from the smallest to the largest value, with ticks at multiples of 1, 2 or 5 times a power of ten.</summary>
    internal static ChartAxis Linear(double least, double most, double start, double end, int mostTicks)
    {
        if (most <= least)
            (least, most) = (least - Math.Max(0.5, Math.Abs(least) * 0.1), most + Math.Max(0.5, Math.Abs(most) * 0.1));
        double rough = most / mostTicks - least / mostTicks, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = new[] { 1.0, 2, 5, 10 }.First(factor => factor * power >= rough * 0.999999) * power;
        double[] ticks = Multiples(least, most, step);
        return new ChartAxis(least, most, start, end, logarithmic: false, ticks);
    }

    /// <summary>A logarithmic axis for positive values, widened to the next 1, 2 or 5 times a power of ten on both sides.</summary>
    internal static ChartAxis Logarithmic(double least, double most, double start, double end)
    {
        int firstDecade = (int)Math.Floor(Math.Log10(least)), lastDecade = (int)Math.Floor(Math.Log10(most));
        double[] factors = lastDecade - firstDecade <= 3 ? [1, 2, 5] : [1];
        List<double> ticks = [];
        int stride = Math.Max(1, (lastDecade - firstDecade) / 8);
        for (int decade = firstDecade; decade <= lastDecade + stride; decade += stride)
            foreach (double factor in factors)
                ticks.Add(factor * Math.Pow(10, decade));
        double low = ticks.Last(tick => tick <= least), high = ticks.FirstOrDefault(tick => tick >= most, most);
        return new ChartAxis(low, high, start, end, logarithmic: true, ticks.Where(tick => tick >= low && tick <= high).ToArray());
    }

    internal static string Label(double value)
    {
        double size = Math.Abs(value);
        return size switch
        {
            0 => "0",
            >= 1e6 and < 1e9 => (value / 1e6).ToString("0.###", CultureInfo.InvariantCulture) + "M",
            >= 1e4 and < 1e6 => (value / 1e3).ToString("0.###", CultureInfo.InvariantCulture) + "k",
            >= 1e-4 and < 1e9 => value.ToString("0.########", CultureInfo.InvariantCulture),
            _ => value.ToString("0.##e0", CultureInfo.InvariantCulture),
        };
    }

    internal double At(double value)
    {
        double part = _logarithmic
            ? (Math.Log(value) - Math.Log(_low)) / (Math.Log(_high) - Math.Log(_low))
            : (value / 2 - _low / 2) / (_high / 2 - _low / 2);
        return _start + (_end - _start) * Math.Clamp(part, 0, 1);
    }

    private static double[] Multiples(double least, double most, double step)
    {
        long first = (long)Math.Ceiling(least / step - 1e-9), last = (long)Math.Floor(most / step + 1e-9);
        return Enumerable.Range(0, (int)Math.Clamp(last - first + 1, 0, 100)).Select(i => (first + i) * step).ToArray();
    }
}
