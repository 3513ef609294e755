using System.Globalization;
using System.Net;
using System.Text;
using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;

namespace NativeDiffusion.Experiments.Reports;

/// <summary>One HTML file with everything in it: charts, tables, pictures, settings. It says no time of its own, so that the same points give the same bytes.</summary>
internal static class HtmlReport
{
    private const string Style =
        """
        body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem; color: #222; background: #fff }
        table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 1rem } th, td { padding: .22rem .6rem; text-align: right; border-bottom: 1px solid #ddd }
        th:first-child, td:first-child, td.text, th.text { text-align: left } td.alike { color: #888 } td.best { font-weight: 600 } figure { display: inline-block; margin: .5rem 1rem .5rem 0 }
        figcaption { font-size: 13px } .note { color: #555; font-size: 13px } img { max-width: 100% }
        """;

    /// <summary>The report.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="settings">What its points share.</param>
    /// <param name="points">How many points there are.</param>
    /// <param name="results">Those that are finished.</param>
    /// <param name="picture">PNG bytes of a point's images, by key.</param>
    public static string Of(Experiment experiment, ExperimentSettings settings, int points, IReadOnlyList<PointResult> results, Func<string, byte[]> picture)
    {
        var html = new StringBuilder($"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{Text(experiment.Title)}</title>\n<style>\n{Style}</style></head><body>\n");
        html.Append($"<h1>{Text(experiment.Title)}</h1>\n<p>{Text(experiment.Question)}</p>\n");
        if (results.Count < points) html.Append(CultureInfo.InvariantCulture, $"<p><b>{results.Count} of {points} points are finished.</b></p>\n");
        if (!ChartRenderer.HasFonts) html.Append("<p><b>The charts have no text: the machine that drew them has no fonts.</b></p>\n");
        foreach (var chart in experiment.Charts(results))
            html.Append($"<figure><img alt=\"{Text(chart.Title)}\" src=\"data:image/svg+xml;base64,{Convert.ToBase64String(Encoding.UTF8.GetBytes(ChartRenderer.ToSvg(chart)))}\"></figure>\n");
        foreach (var group in results.GroupBy(r => r.Group)) AppendTable(html, group.Key, [.. group]);
        html.Append("<p class=\"note\">± is the standard error: binomial for the accuracy (Agresti and Coull), else by leaving out a tenth of the images in turn. Grey: cannot be told from the first row of "
            + "its table, that is, differs by less than twice the error of the difference. Bold: the best of its table. All rows draw the same noise for the same classes; evaluations are "
            + "passes of the denoiser for an image, gradients passes of a classifier forward and backward. Seconds are for all images of a row, on whatever else the machine did.</p>\n<ul class=\"note\">\n");
        foreach (var metric in Judge.Metrics) html.Append($"<li>{Text(metric.Head)}: {Text(metric.What)}</li>\n");
        html.Append("</ul>\n<h2>Images</h2>\n<p class=\"note\">The first images of each row: a column for each class.</p>\n");
        foreach (var r in results)
            html.Append($"<figure><img alt=\"{Text(r.Label)}\" src=\"data:image/png;base64,{Convert.ToBase64String(picture(r.Key))}\"><figcaption>{Text(r.Label)}</figcaption></figure>\n");
        AppendSettings(html, settings, results);
        return html.Append("</body></html>\n").ToString();
    }

    private static void AppendTable(StringBuilder html, string group, IReadOnlyList<PointResult> rows)
    {
        if (group.Length > 0) html.Append($"<h2>{Text(group)}</h2>\n");
        html.Append("<table><tr><th>row</th>");
        foreach (var metric in Judge.Metrics) html.Append($"<th title=\"{Text(metric.What)}\">{Text(metric.Head)}</th>");
        html.Append("<th>evaluations</th><th>gradients</th><th>seconds</th><th class=\"text\">sampler</th><th class=\"text\">guidance</th></tr>\n");
        foreach (var r in rows)
        {
            html.Append($"<tr><td>{Text(r.Label)}{(r.Note.Length > 0 ? $" <span class=\"note\">{Text(r.Note)}</span>" : "")}</td>");
            foreach (var metric in Judge.Metrics)
            {
                var value = r.Metrics[metric.Key];
                string look = Significance.Best(rows, metric).Best == r ? " class=\"best\"" : r != rows[0] && !Significance.Differ(value, rows[0].Metrics[metric.Key]) ? " class=\"alike\"" : "";
                html.Append($"<td{look}>{Text(value.ToString())}</td>");
            }
            html.Append(CultureInfo.InvariantCulture, $"<td>{r.Cost.Evaluations:0.#}</td><td>{r.Cost.Gradients:0.#}</td><td>{r.Seconds:0.0}</td>");
            html.Append(CultureInfo.InvariantCulture, $"<td class=\"text\">{Text(r.Sampler)}{(r.Steps > 0 ? $", {r.Steps} steps" : "")}</td><td class=\"text\">{Text(r.Guidance)}</td></tr>\n");
        }
        html.Append("</table>\n<p class=\"note\">");
        foreach (var metric in Judge.Metrics)
        {
            if (rows.Count < 2) break;
            var (best, alike) = Significance.Best(rows, metric);
            html.Append($"Best {Text(metric.Head)}: {Text(best.Label)}"
                + (alike.Count > 0 ? $", not to be told from {Text(string.Join(", ", alike.Select(r => r.Label)))}" : "") + ".<br>\n");
        }
        html.Append("</p>\n");
    }

    private static void AppendSettings(StringBuilder html, ExperimentSettings settings, IReadOnlyList<PointResult> results)
    {
        html.Append("<h2>Settings</h2>\n<table>\n");
        void Row(string name, string value) => html.Append($"<tr><td>{Text(name)}</td><td class=\"text\">{Text(value)}</td></tr>\n");
        Row("command", string.Create(CultureInfo.InvariantCulture, $"nativediffusion experiment {settings.Experiment} --samples {settings.Samples} --seed {settings.Seed}{settings.Options}"));
        Row("samples a row", settings.Samples.ToString(CultureInfo.InvariantCulture));
        Row("seed", settings.Seed.ToString(CultureInfo.InvariantCulture));
        Row("version", $"{settings.Version}, .NET {settings.Runtime}");
        Row("device", settings.Device);
        Row("seconds of drawing, all rows", results.Sum(r => r.Seconds).ToString("0", CultureInfo.InvariantCulture));
        foreach (var (role, hash) in settings.Files) Row(role, $"SHA-256 {hash}");
        html.Append("</table>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
