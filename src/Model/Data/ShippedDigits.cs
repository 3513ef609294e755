namespace NativeDiffusion.Model.Data;

/// <summary>The shipped MNIST digits: 28 x 28 grey images in ten classes (source and licence in <c>data/README.md</c>).</summary>
public static class ShippedDigits
{
    /// <summary>Loads the 60,000 training digits.</summary>
    /// <exception cref="FileNotFoundException">The files are neither beside the program nor in a folder above it.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static ImageDataset LoadTrain() => Load("train");

    /// <summary>Loads the 10,000 test digits.</summary>
    /// <exception cref="FileNotFoundException">The files are neither beside the program nor in a folder above it.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static ImageDataset LoadTest() => Load("t10k");

    private static ImageDataset Load(string part) => IdxFile.Load(
        ShippedFiles.Find($"data/{part}-images-idx3-ubyte.gz"),
        ShippedFiles.Find($"data/{part}-labels-idx1-ubyte.gz"));
}
