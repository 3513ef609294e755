namespace NativeDiffusion.Model.Images;

/// <summary>Draws captions that the built-in font of dots has no letters for.</summary>
public interface ICaptionFont
{
    /// <summary>Draws a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="height">About how high its capitals are, in pixels.</param>
    /// <returns>A grey picture of how much of each pixel is covered; null for a text that this font has no letters for.</returns>
    Image? Draw(string text, int height);
}
