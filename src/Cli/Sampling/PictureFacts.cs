using System.Text.Json.Nodes;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Cli;

/// <summary>What <c>info</c> says of a picture: its size, and the texts in its file.</summary>
internal static class PictureFacts
{
    /// <summary>Writes it.</summary>
    public static void Write(CliContext context, string path, bool json)
    {
        var image = PictureReader.Read(path);
        var texts = PngText.Read(path);
        var made = texts.Any(t => t.Keyword == SampleProvenance.Keyword) ? SampleProvenance.Read(path) : null;
        if (json)
        {
            var report = new JsonObject
            {
                ["file"] = path, ["kind"] = "picture", ["width"] = image.Width, ["height"] = image.Height, ["channels"] = image.Channels, ["made"] = made,
                ["texts"] = new JsonObject(texts.DistinctBy(t => t.Keyword).Select(t => KeyValuePair.Create<string, JsonNode?>(t.Keyword, JsonValue.Create(t.Text)))),
            };
            JsonReport.Write(context.Out, report);
            return;
        }
        context.Out.WriteLine($"{path}: a picture of {image.Width} x {image.Height}, {(image.Channels == 1 ? "grey" : "RGB")}");
        foreach (var (name, value) in made ?? [])
            if (value is JsonObject options)
                Line(context, $"  {name}: {string.Join(" ", options.Select(o => string.Join(" ", [o.Key, .. o.Value!.AsArray().Select(v => v!.ToString())])))}");
            else if (value is not null) Line(context, $"  {name}: {(value is JsonArray list ? string.Join(", ", list.Select(v => v!.ToString())) : value.ToString())}");
        foreach (var text in texts.Where(t => t.Keyword != SampleProvenance.Keyword)) Line(context, $"  text '{text.Keyword}': {text.Text}");
        if (texts.Count == 0) context.Out.WriteLine("  its file has no texts that say how it was made");
        if (made is not null) context.Out.WriteLine($"Draw it again: nativediffusion sample --like {path} --out FILE");
    }

    private static void Line(CliContext context, string text) => context.Out.WriteLine(PlainText.Of(text));
}
