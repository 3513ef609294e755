using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Square patches of images as tokens, [N,H,W,C] to [N, HW/p^2, p^2 C]; see <see cref="IKernels.Patchify"/>.</summary>
    /// <exception cref="ArgumentException">The patches do not divide the image.</exception>
    public Tensor Patchify(Tensor image, int patch)
    {
        if (image.Shape.Rank != 4 || patch < 1 || image.Shape[1] % patch != 0 || image.Shape[2] % patch != 0)
            throw new ArgumentException($"Patchify takes images [N,H,W,C] whose height and width are multiples of the patch {patch}; got {image}.");
        if (AreShared(out var rows, image)) return Share(_steps.Count, Patchify(image.GatheredFrom!, patch), rows);
        int count = image.Shape[1] / patch * (image.Shape[2] / patch);
        var tokens = Temporary(new Shape(image.Shape.Batch, count, checked(patch * patch * image.Shape.Channels)), "patches");
        Record(nameof(IKernels.Patchify), [image], [tokens], k => k.Patchify(image.View, patch, tokens.View, accumulate: false));
        OnBackward([image], tokens, dtokens =>
        {
            var (dimage, accumulate) = GradientTarget(image);
            Record(nameof(IKernels.Unpatchify), [dtokens], [dimage], k => k.Unpatchify(dtokens.View, patch, dimage.View, accumulate));
        });
        return tokens;
    }

    /// <summary>The images of a height whose patches are the tokens: the inverse of <see cref="Patchify"/>.</summary>
    /// <exception cref="ArgumentException">The tokens are not the patches of such an image.</exception>
    public Tensor Unpatchify(Tensor tokens, int patch, int height)
    {
        if (tokens.Shape.Rank != 3 || patch < 1 || patch > tokens.Shape.Channels || tokens.Shape.Channels % (patch * patch) != 0 || height < 1 || height % patch != 0
            || tokens.Shape[1] % (height / patch) != 0)
            throw new ArgumentException($"Unpatchify to a height of {height} in patches of {patch} takes tokens [N, HW/p^2, p^2 C]; got {tokens}.");
        int width = tokens.Shape[1] / (height / patch) * patch;
        var image = Temporary(new Shape(tokens.Shape.Batch, height, width, tokens.Shape.Channels / (patch * patch)), "image");
        Record(nameof(IKernels.Unpatchify), [tokens], [image], k => k.Unpatchify(tokens.View, patch, image.View, accumulate: false));
        OnBackward([tokens], image, dimage =>
        {
            var (dtokens, accumulate) = GradientTarget(tokens);
            Record(nameof(IKernels.Patchify), [dimage], [dtokens], k => k.Patchify(dimage.View, patch, dtokens.View, accumulate));
        });
        return image;
    }
}
