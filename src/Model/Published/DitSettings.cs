using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>What is stated of diffusion transformers beside their tensors: constructor arguments, or the flags of the training script.</summary>
internal static class DitSettings
{
    private const int ImageNetClasses = 1000, PixelsPerLatent = 8;
    private const double UsualScale = 0.18215;

    /// <summary>A configuration read off tensors, with what is stated.</summary>
    public static DitConfig Refine(DitConfig shown, StatedSettings stated, string? published)
    {
        if (stated.File is ComposedCheckpoint) shown = DiffusersSettings.Refine(shown, stated);
        stated.Expect(shown.InputSize, stated.Integer("input_size"));
        if (stated.Integer("image_size") is { } size && size.Value != shown.InputSize && size.Value != PixelsPerLatent * shown.InputSize)
            throw stated.Contradiction(size, $"its tensors are those of {shown.InputSize} x {shown.InputSize} latents, which are {PixelsPerLatent * shown.InputSize} pixels");
        stated.Expect(shown.PatchSize, stated.Integer("patch_size"));
        stated.Expect(shown.InChannels, stated.Integer("in_channels"));
        stated.Expect(shown.HiddenSize, stated.Integer("hidden_size"));
        stated.Expect(shown.Depth, stated.Integer("depth"));
        stated.Expect(shown.MlpRatio, stated.Number("mlp_ratio"));
        stated.Expect(shown.LearnSigma, stated.Truth("learn_sigma"));
        bool nullClass = NullClass(shown.NumClasses + 1, stated, out int classes);
        double dropout = stated.Number("class_dropout_prob")?.Value ?? shown.ClassDropoutProb;
        return shown with
        {
            NumHeads = Heads(shown, stated, published),
            NumClasses = classes,
            ClassDropoutProb = !nullClass ? 0 : dropout > 0 ? dropout : shown.ClassDropoutProb,
        };
    }

    /// <summary>How a network was trained, and is sampled.</summary>
    public static DiffusionSettings Diffusion(DitConfig config, StatedSettings stated, SamplerSettings sampler, string? published) =>
        OfFile(config, stated, sampler, published) with
        {
            ClassNames = stated.File is ComposedCheckpoint ? DiffusersFolder.ClassNames(stated.Diffusers, config.NumClasses) : NetworkFamilies.Numbers(config.NumClasses),
            NullClass = config.ClassDropoutProb > 0,
            GuidanceScale = config.ClassDropoutProb > 0 ? 4 : null,
            PixelOffset = 128,
        };

    // The authors' sampler guides three channels of the latents, diffusers' all.
    private static DiffusionSettings OfFile(DitConfig config, StatedSettings stated, SamplerSettings sampler, string? published)
    {
        if (stated.File is not ComposedCheckpoint)
            return AdmSettings.Levels(new DiffusionSettings(), stated, NoiseScheduleKind.Linear, published) with { Sampler = sampler with { Clip = false }, GuidedChannels = 3, LatentScale = UsualScale };
        var settings = DiffusersScheduler.Settings(config, stated, published);
        return settings with
        {
            Sampler = stated.Diffusers?.Scheduler is null ? sampler with { Clip = false } : settings.Sampler,
            LatentScale = settings.LatentScale ?? stated.Or(null, DiffusersSettings.LatentScale, UsualScale, published),
        };
    }

    private static int Heads(DitConfig shown, StatedSettings stated, string? published)
    {
        var heads = stated.Integer("num_heads");
        if (stated.Text("model") is { } model && NetworkFamilies.DitSizes.Contains(model.Value))
        {
            var size = DitConfig.Preset(model.Value, shown.InputSize);
            if ((size.Depth, size.HiddenSize, size.PatchSize) != (shown.Depth, shown.HiddenSize, shown.PatchSize))
                throw stated.Contradiction(model, $"its tensors are those of depth {shown.Depth}, width {shown.HiddenSize} and patches of {shown.PatchSize}");
            heads ??= new Stated<int>(size.NumHeads, model.Place, model.ByUser);
        }
        return stated.Or(heads, "num_heads", shown.NumHeads, published ?? Size(shown));
    }

    private static string? Size(DitConfig shown) => NetworkFamilies.DitSizes.FirstOrDefault(name =>
    {
        var size = DitConfig.Preset(name);
        return (size.Depth, size.HiddenSize, size.PatchSize) == (shown.Depth, shown.HiddenSize, shown.PatchSize);
    });

    // The rows of the label embedding are the classes, and one more where training drops labels.
    private static bool NullClass(int rows, StatedSettings stated, out int classes)
    {
        var said = stated.NullClass();
        var named = stated.Integer("num_classes");
        if (named is not null && named.Value != rows && named.Value != rows - 1) throw stated.Contradiction(named, $"its label embedding has {rows} rows");
        if (named is not null && said is not null && said.Value != (named.Value < rows))
            throw stated.Contradiction(said, $"{named.Place} says {named.Value}, of {rows} rows of its label embedding");
        bool nullClass = named is not null ? named.Value < rows
            : stated.Or(said, "null_class", rows != ImageNetClasses, rows == ImageNetClasses + 1 ? "networks of ImageNet's classes" : null);
        classes = nullClass ? rows - 1 : rows;
        return nullClass;
    }
}
