using NativeDiffusion.Model;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Model.Networks;

/// <summary>What a checkpoint tells of a network: keys and extents.</summary>
internal static class PublishedShapes
{
    public static Dictionary<string, long[]> Of(Parameters parameters) =>
        parameters.Items.ToDictionary(p => p.Name, p => p.PublishedShape.Select(extent => (long)extent).ToArray());

    /// <summary>A configuration as text, since records do not compare the elements of their lists.</summary>
    public static string Text(object? config) => config is null ? "none" : ModelJson.Write(config);
}
