namespace NativeDiffusion.Model.Data;

/// <summary>Labelled pictures that a training reads by number, from memory (<see cref="ImageDataset"/>) or from elsewhere.</summary>
public interface ITrainingImages
{
    /// <summary>Number of pictures.</summary>
    int Count { get; }

    /// <summary>Rows that <see cref="CopyRow"/> gives of every picture.</summary>
    int Height { get; }

    /// <summary>Columns that <see cref="CopyRow"/> gives of every picture.</summary>
    int Width { get; }

    /// <summary>Channels of every picture (1 grey, 3 RGB).</summary>
    int Channels { get; }

    /// <summary>Class of each picture; zeros where there are no classes.</summary>
    ReadOnlyMemory<int> Labels { get; }

    /// <summary>One name for each class; empty for pictures without classes.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>Writes a picture in the model's range, <c>x = u8 / 127.5 - 1</c>. Safe to call from any thread.</summary>
    /// <param name="index">Picture, 0 to <see cref="Count"/> - 1.</param>
    /// <param name="across">Where a picture that is wider than <see cref="Width"/> is cut: from 0, the left, to 1, the right.</param>
    /// <param name="down">The same from top to bottom.</param>
    /// <param name="destination">Exactly <see cref="Height"/> x <see cref="Width"/> x <see cref="Channels"/> values.</param>
    void CopyRow(int index, double across, double down, Span<float> destination);

    /// <summary>The same pictures in the middle of a square, with black around; an odd remainder goes to the bottom and the right.</summary>
    /// <param name="size">Height and width, at least those of the pictures.</param>
    ITrainingImages PadTo(int size);

    /// <summary>A text that says which pictures and labels these are: a training is resumed with the same ones.</summary>
    string Fingerprint();
}
