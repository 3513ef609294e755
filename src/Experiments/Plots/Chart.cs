namespace NativeDiffusion.Experiments.Plots;

/// <summary>A measured point of a chart.</summary>
/// <param name="X">Abscissa.</param>
/// <param name="Y">Ordinate.</param>
/// <param name="Error">Standard error of the ordinate; 0 or NaN for none.</param>
/// <param name="Label">Written beside the point.</param>
internal readonly record struct ChartPoint(double X, double Y, double Error = 0, string? Label = null);

/// <summary>Points that belong together.</summary>
/// <param name="Name">What the legend says.</param>
/// <param name="Points">The points; those without a finite value are left out.</param>
/// <param name="IsLine">Whether a line joins them.</param>
internal sealed record ChartSeries(string Name, IReadOnlyList<ChartPoint> Points, bool IsLine = true);

/// <summary>A chart, drawn by <see cref="ChartRenderer"/>.</summary>
/// <param name="Title">Above it.</param>
/// <param name="XLabel">Below it.</param>
/// <param name="YLabel">Left of it.</param>
/// <param name="Series">What it shows.</param>
internal sealed record Chart(string Title, string XLabel, string YLabel, IReadOnlyList<ChartSeries> Series);
