using System.Globalization;
using System.Text;
using NativeDiffusion.Experiments.Running;

namespace NativeDiffusion.Experiments.Reports;

/// <summary>The points as a table for other programs.</summary>
internal static class CsvFile
{
    public static string Of(IReadOnlyList<PointResult> results)
    {
        var text = new StringBuilder("key,group,label,series,x,scale,guidance,sampler,steps,samples");
        foreach (var metric in Judge.Metrics) text.Append(CultureInfo.InvariantCulture, $",{metric.Key},{metric.Key}_se");
        text.Append(",evaluations_per_image,gradients_per_image,seconds\n");
        foreach (var r in results)
        {
            text.AppendJoin(',', new[] { r.Key, r.Group, r.Label, r.Series }.Select(Quoted));
            text.Append(CultureInfo.InvariantCulture, $",{Number(r.X)},{r.Scale},{Quoted(r.Guidance)},{Quoted(r.Sampler)},{r.Steps},{r.Samples}");
            foreach (var metric in Judge.Metrics)
                text.Append(CultureInfo.InvariantCulture, $",{Number(r.Metrics[metric.Key].Value)},{Number(r.Metrics[metric.Key].StandardError)}");
            text.Append(CultureInfo.InvariantCulture, $",{r.Cost.Evaluations},{r.Cost.Gradients},{r.Seconds}\n");
        }
        return text.ToString();
    }

    private static string Number(double value) => double.IsNaN(value) ? "" : value.ToString("G9", CultureInfo.InvariantCulture);

    private static string Quoted(string text) => text.AsSpan().IndexOfAny(",\"\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
