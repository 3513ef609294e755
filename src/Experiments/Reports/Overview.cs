using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Experiments.Reports;

/// <summary>One picture of an experiment: the first line of each row's images, with its name.</summary>
internal static class Overview
{
    public static Image Of(IReadOnlyList<PointResult> results, int classes, Func<string, byte[]> picture)
    {
        var lines = results.Select(r => FirstLine(PictureReader.Decode(picture(r.Key), r.Key), classes)).ToArray();
        return ImageGrid.Compose(lines, columns: 1, gap: 0, rowHeads: [.. results.Select(r => r.Label)]);
    }

    // Kept grids have a gap around and between their cells, which are square.
    private static Image FirstLine(Image grid, int classes)
    {
        int gap = ExperimentRunner.GridGap, height = gap + (grid.Width - gap) / classes;
        return new Image(grid.Width, height, grid.Channels, grid.Pixels[..(grid.Width * height * grid.Channels)].ToArray());
    }
}
