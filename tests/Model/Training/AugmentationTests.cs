using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

[TestFixture]
public sealed class AugmentationTests
{
    private const int Size = 5, Channels = 2;

    /// <summary>A picture of which every pixel names its place.</summary>
    private static float[] Picture(int images) =>
        [.. Enumerable.Range(0, images * Size * Size * Channels).Select(i => (float)(i % (Size * Size * Channels)))];

    [Test]
    public void Every_shift_and_mirror_image_appears_and_nothing_else()
    {
        HashSet<(int, int, bool)> seen = [];
        for (uint step = 0; step < 60; step++)
        {
            float[] pictures = Picture(3);
            new Augmentation(4, Size, Channels, 1, flip: true).Apply(step, pictures);
            for (int row = 0; row < 3; row++) seen.Add(Find(pictures.AsSpan(row * Size * Size * Channels, Size * Size * Channels)));
        }
        Assert.That(seen, Has.Count.EqualTo(18));
    }

    [Test]
    public void Rows_of_a_step_do_not_depend_on_each_other()
    {
        float[] two = Picture(2), one = Picture(1);
        new Augmentation(4, Size, Channels, 2, flip: true).Apply(7, two);
        new Augmentation(4, Size, Channels, 2, flip: true).Apply(7, one);
        Assert.That(two[..one.Length], Is.EqualTo(one));
    }

    [Test]
    public void Nothing_changes_where_nothing_was_asked_for()
    {
        float[] picture = Picture(2);
        new Augmentation(4, Size, Channels, 0, flip: false).Apply(7, picture);
        Assert.That(picture, Is.EqualTo(Picture(2)));
    }

    private static (int Down, int Right, bool Mirrored) Find(ReadOnlySpan<float> image)
    {
        foreach (bool mirrored in new[] { false, true })
            for (int down = -1; down <= 1; down++)
                for (int right = -1; right <= 1; right++)
                    if (image.SequenceEqual(Moved(down, right, mirrored))) return (down, right, mirrored);
        Assert.Fail("The picture is none of those that shifts and mirrors make.");
        return default;
    }

    private static float[] Moved(int down, int right, bool mirrored)
    {
        float[] moved = new float[Size * Size * Channels];
        for (int y = 0; y < Size; y++)
            for (int x = 0; x < Size; x++)
                for (int c = 0; c < Channels; c++)
                {
                    int fromY = Math.Clamp(y - down, 0, Size - 1), fromX = Math.Clamp((mirrored ? Size - 1 - x : x) - right, 0, Size - 1);
                    moved[(y * Size + x) * Channels + c] = (fromY * Size + fromX) * Channels + c;
                }
        return moved;
    }
}
