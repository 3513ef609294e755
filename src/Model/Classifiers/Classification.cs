namespace NativeDiffusion.Model.Classifiers;

/// <summary>What an <see cref="ImageClassifier"/> says about N images.</summary>
public sealed class Classification
{
    internal Classification(int count, int classes, int featureCount)
    {
        (Classes, FeatureCount) = (classes, featureCount);
        (Labels, Probabilities, Features) = (new int[count], new float[checked(count * classes)], new float[checked(count * featureCount)]);
    }

    /// <summary>Number of images.</summary>
    public int Count => Labels.Length;

    /// <summary>Number of classes, K.</summary>
    public int Classes { get; }

    /// <summary>Length of one image's features, F.</summary>
    public int FeatureCount { get; }

    /// <summary>The most probable class of each image; the first of several equally probable ones.</summary>
    public int[] Labels { get; }

    /// <summary>[N, K]: probability of each class; rows sum to 1.</summary>
    public float[] Probabilities { get; }

    /// <summary>[N, F]: the vector before the last layer, for comparing images by what they show.</summary>
    public float[] Features { get; }

    /// <summary>Probability of the most probable class of image <paramref name="index"/>.</summary>
    public float Confidence(int index) => Probabilities[index * Classes + Labels[index]];

    /// <summary>Number of images given each label.</summary>
    public int[] CountPerClass()
    {
        int[] counts = new int[Classes];
        foreach (int label in Labels) counts[label]++;
        return counts;
    }

    /// <summary>Number of images whose most probable class is the given one.</summary>
    /// <param name="expected">A label per image.</param>
    /// <exception cref="ArgumentException">There are not as many labels as images.</exception>
    public int CountCorrect(ReadOnlySpan<int> expected)
    {
        if (expected.Length != Count) throw new ArgumentException($"{Count} images were classified, but {expected.Length} labels are given.");
        int correct = 0;
        for (int i = 0; i < Count; i++)
            if (Labels[i] == expected[i])
                correct++;
        return correct;
    }

    /// <summary>Stores image <paramref name="index"/>: softmax of the logits in double, and the features.</summary>
    internal void Set(int index, ReadOnlySpan<float> logits, ReadOnlySpan<float> features)
    {
        int best = 0;
        for (int k = 1; k < Classes; k++)
            if (logits[k] > logits[best])
                best = k;
        double sum = 0;
        for (int k = 0; k < Classes; k++) sum += Math.Exp((double)logits[k] - logits[best]);
        for (int k = 0; k < Classes; k++) Probabilities[index * Classes + k] = (float)(Math.Exp((double)logits[k] - logits[best]) / sum);
        Labels[index] = best;
        features.CopyTo(Features.AsSpan(index * FeatureCount, FeatureCount));
    }
}
