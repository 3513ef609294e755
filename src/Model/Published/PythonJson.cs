using System.Text.Json;
using System.Text.RegularExpressions;

namespace NativeDiffusion.Model.Published;

/// <summary>JSON as Python writes it: NaN and Infinity stand bare, which JSON does not know; here they become texts.</summary>
internal static partial class PythonJson
{
    /// <summary>An object or a list; null for any other text.</summary>
    public static JsonElement? Parse(string text) =>
        text.StartsWith('{') || text.StartsWith('[') ? TryParse(text) ?? TryParse(NotFinite().Replace(text, "\"$0\"")) : null;

    private static JsonElement? TryParse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    [GeneratedRegex("""(?<=[:\[,]\s*)(NaN|-?Infinity)(?=\s*[,}\]])""")]
    private static partial Regex NotFinite();
}
