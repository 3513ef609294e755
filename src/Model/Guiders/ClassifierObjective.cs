using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// A classifier's log-probability with two temperatures (EluCD, eq. 4): <c>tau1 f_y - log sum_i e^(tau2 f_i)</c>. 1 and 1 give log p(y | x); tau2 = 0 the logit of
/// the class alone.
/// </summary>
internal static class ClassifierObjective
{
    /// <exception cref="ArgumentException">Classifier and model do not fit.</exception>
    public static void Require(string name, IClassifierNetwork classifier, DiffusionModel model)
    {
        if (classifier.Parameters.Kernels != model.Kernels)
            throw new ArgumentException($"Guider '{name}': the classifier lies on another device than the model; load both with the same kernels.");
        var config = model.Network.Config;
        if (model.Settings.LatentScale is null && classifier.Channels != config.InChannels)
            throw new ArgumentException($"Guider '{name}': the classifier takes images of {classifier.Channels} channels, and the model makes {config.InChannels}.");
        if (model.Settings.LatentScale is null && classifier.ImageSize is { } size && size != config.ImageSize)
            throw new ArgumentException($"Guider '{name}': the classifier takes images of {size}x{size} pixels, and the model makes {config.ImageSize}x{config.ImageSize}.");
    }

    public static GradientObjective Record(PlanBuilder b, IClassifierNetwork classifier, GradientInputs inputs, Tensor images, double tau1, double tau2)
    {
        var logits = b.With(classifier.Parameters, () => classifier.RecordLogits(b, images, inputs.Timesteps));
        var target = b.OneHot(inputs.Labels, classifier.Classes);
        // d of sum(onehot (logSoftmax(tau2 f) + (tau1 - tau2) f)) = tau1 df_y - tau2 sum softmax(tau2 f) df.
        if (tau2 == 0) return new(b.Scale(logits, (float)tau1), target);
        var output = b.LogSoftmax(tau2 == 1 ? logits : b.Scale(logits, (float)tau2));
        return new(tau1 == tau2 ? output : b.Add(output, b.Scale(logits, (float)(tau1 - tau2))), target);
    }
}
